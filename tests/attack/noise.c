/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container root's attacks of one line each: noise WHAT TRIES [ADDRESS [PORT]]
 *
 * Prints how many of its tries the kernel has let through; what they have made ends with it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLONE_TREE 1 /* open_tree(2) */

static struct sockaddr_in to;

/* Each datagram is a flow of its own. */
static int flows(int tries)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), made = 0;

	for (int n = 0; n < tries; n++) {
		to.sin_port = htons((uint16_t)(1024 + n % 60000));
		made += sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1;
	}
	return made;
}

/* Each address is one that somebody has to be asked for. */
static int spread(int tries)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), made = 0;
	uint32_t first = ntohl(to.sin_addr.s_addr);

	to.sin_port = htons(9);
	for (int n = 0; n < tries; n++) {
		to.sin_addr.s_addr = htonl(first + (uint32_t)n);
		made += sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1;
	}
	return made;
}

/* Connections that are forgotten without a word. */
static int forgotten(int tries)
{
	int made = 0, fd, one = 1;

	for (int n = 0; n < tries; n++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fd, (struct sockaddr *)&to, sizeof(to));
		if (poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 20) == 1 &&
			setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) == 0)
			made++;
		close(fd);
	}
	return made;
}

/* ICMPv6 that no table of flows follows, and frames with an address that is another's. */
static int raw(int tries)
{
	struct sockaddr_in6 all = { .sin6_family = AF_INET6,
		.sin6_scope_id = if_nametoindex("eth0") };
	struct sockaddr_ll link = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex("eth0"),
		.sll_halen = 6,
		.sll_addr = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	unsigned char icmp[64] = { 0 }, ip[60] = { 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17 };
	int six = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMPV6), made = 0,
	    frames = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET6, "ff02::1", &all.sin6_addr);
	for (int n = 0; n < tries; n++) {
		icmp[0] = (unsigned char)(130 + n % 14);
		memcpy(ip + 12, &n, sizeof(n));
		memcpy(ip + 16, &n, sizeof(n));
		made += n % 2 ? sendto(six, icmp, sizeof(icmp), 0, (struct sockaddr *)&all,
					sizeof(all)) > 0
			      : sendto(frames, ip, sizeof(ip), 0, (struct sockaddr *)&link,
					sizeof(link)) > 0;
	}
	return made;
}

/* Queued for one that doesn't take them, and to init. */
static int signals(int tries)
{
	sigset_t all;
	pid_t pid;
	int made = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	pid = fork();
	if (pid == 0)
		pause();
	for (int n = 0; pid > 0 && n < tries; n++) {
		made += sigqueue(pid, SIGRTMIN + n % 20, (union sigval){ .sival_int = n }) == 0;
		kill(1, n % 2 ? SIGCHLD : SIGCONT);
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return made;
}

/* File systems in a namespace of its own, and that one copied. */
static int mounts(int tries)
{
	int made = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 0;
	(void)mkdir("/storm/m", 0755);
	for (int n = 0; n < tries; n++)
		made += mount("none", "/storm/m", n % 2 ? "tmpfs" : "proc", 0, NULL) == 0;
	for (int n = 0; n < 4; n++)
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			break;
	return made;
}

/* Of mounts, in no namespace: what a revoked share would be kept by. */
static int copies(int tries)
{
	int made = 0;

	for (int n = 0; n < tries; n++) {
		if (n == tries / 2)
			(void)unshare(CLONE_NEWUSER | CLONE_NEWNS);
		made += syscall(SYS_open_tree, AT_FDCWD, "/",
				((unsigned long)(n & 1) << 32) | CLONE_TREE) >= 0;
	}
	return made;
}

/* Files of all kinds, as many as a process may have. */
static int files(int tries)
{
	struct rlimit most;
	int made = 0, ends[2];
	aio_context_t aio = 0;

	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	for (int n = 0; n < tries; n++)
		made += n % 3 == 0   ? pipe(ends) == 0
			: n % 3 == 1 ? epoll_create1(0) >= 0
				     : open("/proc/self/mountinfo", O_RDONLY) >= 0;
	(void)syscall(SYS_io_setup, 64, &aio);
	return made;
}

static int keys(int tries)
{
	char name[32];
	int made = 0;

	for (int n = 0; n < tries; n++) {
		snprintf(name, sizeof(name), "storm-%d", n);
		made += syscall(SYS_add_key, "user", name, "x", 1, -2 /* of this process */) > 0;
	}
	return made;
}

/* So many processes that do nothing but run, for some seconds. */
static int spin(int tries)
{
	int made = 0;

	for (int n = 0; n < tries; n++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(3);
			(void)nice(-20);
			for (;;)
				;
		}
		made += pid > 0;
	}
	while (wait(NULL) > 0)
		;
	return made;
}

static const struct {
	const char *name;
	int (*make)(int tries);
} kinds[] = { { "flows", flows }, { "spread", spread }, { "forgotten", forgotten }, { "raw", raw },
	{ "signals", signals }, { "mounts", mounts }, { "copies", copies }, { "files", files },
	{ "keys", keys }, { "spin", spin } };

int main(int argc, char **argv)
{
	to.sin_family = AF_INET;
	if (argc < 3 || (argc > 3 && inet_pton(AF_INET, argv[3], &to.sin_addr) != 1))
		return 2;
	to.sin_port = htons((uint16_t)(argc > 4 ? atoi(argv[4]) : 9));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			return printf("%d\n", kinds[i].make(atoi(argv[2]))) < 0;
	return 2;
}
