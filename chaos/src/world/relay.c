/* Stands between two links and hands every packet on after a while: relay LINK LINK DELAY_US JITTER_US
 *
 * Packets keep their order. Their offload headers go along, so that large ones stay large. Told to end, it prints how many
 * packets it handed on. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LONGEST (70 * 1024)
#define WAITING 4096

struct packet {
    long long due_us;
    ssize_t length;
    char *bytes;
};

struct way {
    int from, to;
    struct packet waiting[WAITING];
    unsigned first, count;
    long long last_due_us;
};

static volatile sig_atomic_t stop;
static void end(int signal) { (void)signal; stop = 1; }

static long long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int open_link(const char *name) {
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    if (fd < 0) die("socket");
    int on = 1;
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on)) die("offload headers");
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on)) die("ignore what is sent");
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
    if (!at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof at)) die(name);
    return fd;
}

static void take(struct way *way, long long delay_us, long long jitter_us) {
    static char bytes[LONGEST];
    ssize_t length = recv(way->from, bytes, sizeof bytes, MSG_DONTWAIT);
    /* A queue that is full loses packets, as any does. */
    if (length <= 0 || way->count == WAITING) return;
    long long due_us = now_us() + delay_us + (jitter_us ? random() % jitter_us : 0);
    if (due_us < way->last_due_us) due_us = way->last_due_us;
    way->last_due_us = due_us;
    struct packet *packet = &way->waiting[(way->first + way->count++) % WAITING];
    packet->due_us = due_us;
    packet->length = length;
    packet->bytes = malloc((size_t)length);
    if (!packet->bytes) die("malloc");
    memcpy(packet->bytes, bytes, (size_t)length);
}

static unsigned long hand_on(struct way *way) {
    unsigned long handed = 0;
    while (way->count && way->waiting[way->first].due_us <= now_us()) {
        struct packet *packet = &way->waiting[way->first];
        if (send(way->to, packet->bytes, (size_t)packet->length, 0) >= 0) handed++;
        free(packet->bytes);
        way->first = (way->first + 1) % WAITING;
        way->count--;
    }
    return handed;
}

int main(int count, char **words) {
    if (count != 5) return 2;
    signal(SIGTERM, end);
    static struct way ways[2];
    int one = open_link(words[1]), other = open_link(words[2]);
    ways[0].from = ways[1].to = one;
    ways[0].to = ways[1].from = other;
    long long delay_us = atoll(words[3]), jitter_us = atoll(words[4]);
    unsigned long handed = 0;
    while (!stop) {
        long long wait_us = 100000;
        for (int at = 0; at < 2; at++) {
            if (!ways[at].count) continue;
            long long left_us = ways[at].waiting[ways[at].first].due_us - now_us();
            if (left_us < wait_us) wait_us = left_us > 0 ? left_us : 0;
        }
        struct timespec wait = {.tv_sec = 0, .tv_nsec = wait_us * 1000};
        struct pollfd polled[2] = {{.fd = ways[0].from, .events = POLLIN}, {.fd = ways[1].from, .events = POLLIN}};
        if (ppoll(polled, 2, &wait, NULL) < 0 && errno != EINTR) die("poll");
        for (int at = 0; at < 2; at++) {
            if (polled[at].revents & POLLIN) take(&ways[at], delay_us, jitter_us);
            handed += hand_on(&ways[at]);
        }
    }
    printf("%lu\n", handed);
    return 0;
}
