/* A machine whose wall clock is wrong: CLOCK_REALTIME with an offset that may change at any instant, for every process that has this
 * library preloaded. Clocks that never jump (CLOCK_MONOTONIC) are left alone, as a real machine leaves them; libfaketime 0.9.10 cannot do
 * that without breaking Python's sleep.
 *
 * The offset, an int64 of nanoseconds, is the first word of the file named by FRESHET_CHAOS_CLOCK. Deadlines of the wrong clock that are
 * handed to the kernel are turned back into its own; what is above YEAR_2001_S is one, for a monotonic clock begins at the machine's start.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define YEAR_2001_S 1000000000LL

static const volatile int64_t zero;
static const volatile int64_t *offset_ns = &zero;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_sem_timedwait)(sem_t *, const struct timespec *);
static long (*real_syscall)(long, ...);

__attribute__((constructor)) static void begin(void) {
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    real_sem_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
    real_syscall = dlsym(RTLD_NEXT, "syscall");
    const char *path = getenv("FRESHET_CHAOS_CLOCK");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        void *found = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
        if (found != MAP_FAILED) offset_ns = found;
        close(file);
    }
}

static void shift(struct timespec *when, int64_t by_ns) {
    int64_t ns = (int64_t)when->tv_sec * NS_PER_S + when->tv_nsec + by_ns;
    when->tv_sec = ns / NS_PER_S;
    when->tv_nsec = ns % NS_PER_S;
}

/* The same moment by the kernel's clock. */
static const struct timespec *kernels(const struct timespec *deadline, struct timespec *room) {
    if (deadline == NULL || deadline->tv_sec < YEAR_2001_S) return deadline;
    *room = *deadline;
    shift(room, -*offset_ns);
    return room;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (real_clock_gettime == NULL) return (int)syscall(SYS_clock_gettime, clock, now);
    int failed = real_clock_gettime(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(now, *offset_ns);
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec found;
    if (clock_gettime(CLOCK_REALTIME, &found)) return -1;
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now != NULL) *now = found.tv_sec;
    return found.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline) {
    struct timespec room;
    return real_cond_timedwait(cond, mutex, kernels(deadline, &room));
}

int sem_timedwait(sem_t *sem, const struct timespec *deadline) {
    struct timespec room;
    return real_sem_timedwait(sem, kernels(deadline, &room));
}

long syscall(long number, ...) {
    va_list given;
    va_start(given, number);
    long a = va_arg(given, long), b = va_arg(given, long), c = va_arg(given, long);
    long d = va_arg(given, long), e = va_arg(given, long), f = va_arg(given, long);
    va_end(given);
    struct timespec room;
    if (number == SYS_futex && (b & FUTEX_CLOCK_REALTIME) && d) d = (long)kernels((const struct timespec *)d, &room);
    if (real_syscall == NULL) real_syscall = dlsym(RTLD_NEXT, "syscall");
    return real_syscall(number, a, b, c, d, e, f);
}
