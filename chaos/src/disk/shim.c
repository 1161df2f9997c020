/* Stands between a process and its disk and clock; loaded before all other libraries.
 *
 * - fsync and fdatasync write down how long the file was, once they have succeeded, so that a power
 *   cut can be played by cutting files back. They can be told to stall or to fail.
 * - A write that finds the disk full is counted. Where the disk is small no room is taken ahead, which would put
 *   off for long that a full disk is met with.
 * - The clock on the wall can be told to be wrong. The monotonic clocks are left alone.
 *
 * What it is told lies in a small file that is mapped into memory: see `control.rs`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int64_t stall; /* not 0: fsync does not come back */
    volatile int64_t fail;  /* not 0: fsync fails with this error number */
    volatile int64_t clock_s; /* how much the clock on the wall is ahead, seconds */
    volatile int64_t harmed; /* how many calls were harmed; written here, read outside */
};

static struct control nothing;
static struct control *control = &nothing;
static int record = -1;
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fallocate)(int, int, off_t, off_t);
static int none_ahead;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static __attribute__((constructor)) void begin(void) {
    real_fsync = next("fsync");
    real_fdatasync = next("fdatasync");
    real_write = next("write");
    real_pwrite = next("pwrite");
    real_fallocate = next("fallocate");
    none_ahead = getenv("CHAOS_SMALL_DISK") != NULL;
    real_clock_gettime = next("clock_gettime");
    /* Conditions have two versions on some machines; the old one has another layout. */
    real_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real_cond_timedwait) real_cond_timedwait = next("pthread_cond_timedwait");
    const char *path = getenv("CHAOS_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) control = mapped;
        close(fd);
    }
    path = getenv("CHAOS_SYNCED");
    if (path) record = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int sync_with(int (*real)(int), int fd) {
    /* What is written while the call is under way may be missing: the length counts that it had before. */
    struct statx before;
    int known = statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE | STATX_BTIME, &before) == 0;
    if (control->stall) __atomic_add_fetch(&control->harmed, 1, __ATOMIC_RELAXED);
    while (control->stall) usleep(5000);
    if (control->fail) {
        __atomic_add_fetch(&control->harmed, 1, __ATOMIC_RELAXED);
        errno = (int)control->fail;
        return -1;
    }
    int done = real(fd);
    if (done == 0 && known && record >= 0 && S_ISREG(before.stx_mode)) {
        char line[128];
        int length = snprintf(line, sizeof line, "%llu %lld %u %llu\n", (unsigned long long)before.stx_ino,
                              (long long)before.stx_btime.tv_sec, before.stx_btime.tv_nsec,
                              (unsigned long long)before.stx_size);
        /* One write: lines of several threads do not mix. A sync that is not written down is one that was not done. */
        if (write(record, line, (size_t)length) != length) {
            errno = EIO;
            return -1;
        }
    }
    return done;
}

int fsync(int fd) { return sync_with(real_fsync, fd); }
int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }

static ssize_t counted(ssize_t done) {
    if (done < 0 && errno == ENOSPC) __atomic_add_fetch(&control->harmed, 1, __ATOMIC_RELAXED);
    return done;
}

ssize_t write(int fd, const void *from, size_t length) {
    if (!real_write) real_write = next("write");
    return counted(real_write(fd, from, length));
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t at) {
    if (!real_pwrite) real_pwrite = next("pwrite");
    return counted(real_pwrite(fd, from, length, at));
}

int fallocate(int fd, int mode, off_t at, off_t length) {
    if (none_ahead) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return real_fallocate(fd, mode, at, length);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real_clock_gettime) real_clock_gettime = next("clock_gettime");
    int done = real_clock_gettime(clock, now);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && control->clock_s) {
        now->tv_sec += control->clock_s;
        __atomic_add_fetch(&control->harmed, 1, __ATOMIC_RELAXED);
    }
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec exact;
    int done = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return done;
}

time_t time(time_t *into) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into) *into = exact.tv_sec;
    return exact.tv_sec;
}

/* Whoever waits until a time on the wall means that of the clock as it sees it. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    struct timespec shifted = *until;
    shifted.tv_sec -= control->clock_s;
    return real_cond_timedwait(condition, mutex, &shifted);
}
