// A record has the lengths of its slots, its floats and its values where freshet/record_pooling.h says.

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "freshet/record_writer.h"

using namespace freshet;

namespace {

using Words = std::vector<std::uint64_t>;

void check_a_whole_record() {
  const std::vector<float> dense = {1.5F, -2.0F, 0.25F};
  RecordWriter record(5, dense);
  record.add(11);
  record.end_slot();
  record.end_slot();
  CHECK(record.num_added() == 0);
  record.add(12);
  record.add(13);
  CHECK(record.num_added() == 2);
  record.end_slot();
  record.end_slot();
  record.add(14);
  record.end_slot();
  const Words words = record.take();
  const auto float_word = [](float low, float high) {
    return std::uint64_t{std::bit_cast<std::uint32_t>(low)} |
           std::uint64_t{std::bit_cast<std::uint32_t>(high)} << 32;
  };
  const std::uint64_t lengths = 1 | std::uint64_t{2} << 32;
  CHECK((words == Words{lengths, 1, float_word(1.5F, -2.0F), float_word(0.25F, 0.0F), 11, 12, 13, 14}));
}

void check_nothing_at_all() { CHECK(RecordWriter(0, {}).take().empty()); }

void check_what_is_refused() {
  RecordWriter record(1, {});
  CHECK_THROWS(record.take(), std::logic_error);
  for (int i = 0; i < 65'536; ++i) record.add(7);
  CHECK_THROWS(record.end_slot(), std::invalid_argument);
  RecordWriter other(1, {});
  for (int i = 0; i < 65'535; ++i) other.add(7);
  other.end_slot();
  CHECK_THROWS(other.end_slot(), std::logic_error);
  CHECK(other.take().size() == 65'536);
}

}  // namespace

int main() {
  check_a_whole_record();
  check_nothing_at_all();
  check_what_is_refused();
  return 0;
}
