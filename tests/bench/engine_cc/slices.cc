#include "slices.h"

#include <pthread.h>
#include <sched.h>

#include <barrier>
#include <thread>

namespace bench {
namespace {

void hold_on_core(std::size_t number) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  const auto num = static_cast<std::size_t>(CPU_COUNT(&allowed));
  std::size_t seen = 0;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || seen++ != number % num) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);  // only speed depends on it
    return;
  }
}

}  // namespace

double seconds_together(std::size_t num_threads, const std::function<void(std::size_t)>& work) {
  std::barrier ready(static_cast<std::ptrdiff_t>(num_threads));
  std::vector<double> started_s(num_threads);
  std::vector<double> ended_s(num_threads);
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < num_threads; ++thread) {
    threads.emplace_back([&, thread] {
      hold_on_core(thread);
      ready.arrive_and_wait();
      started_s[thread] = now_s();
      work(thread);
      ended_s[thread] = now_s();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return *std::max_element(ended_s.begin(), ended_s.end()) -
         *std::min_element(started_s.begin(), started_s.end());
}

}  // namespace bench
