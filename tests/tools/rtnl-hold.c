/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtnl-hold: has the kernel's lock of all links, as whoever makes or unmakes many of them has for a
 * while, but for as long as a test wants. Says "ready"; at a line has it, says "held"; at the next
 * line, or the end of its input, or after HOLD_MS, lets go, says "free".
 *
 * TUNSETTXFILTER copies its argument with the lock taken (__tun_chr_ioctl, drivers/net/tun.c); the
 * argument is a page that is not there until userfaultfd(2) gives it. The tap is in a network
 * namespace of its own, and the lock is of all namespaces. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOLD_MS 30000 /* a test that is killed ends it, too */

struct hold {
	int tap, faults;
	long size;
	void *page;
};

static void must(int r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(2);
	}
}

static void say(const char *what)
{
	(void)puts(what);
	(void)fflush(stdout);
}

static void set_up(struct hold *h)
{
	struct ifreq q = { .ifr_name = "tap", .ifr_flags = IFF_TAP | IFF_NO_PI };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register page = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	must(unshare(CLONE_NEWNET), "unshare");
	h->tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	must(h->tap, "/dev/net/tun");
	must(ioctl(h->tap, TUNSETIFF, &q), "TUNSETIFF");
	h->faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	must(h->faults, "userfaultfd");
	must(ioctl(h->faults, UFFDIO_API, &api), "UFFDIO_API");
	h->size = sysconf(_SC_PAGESIZE);
	h->page = mmap(
		NULL, (size_t)h->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page.range.start = (unsigned long)h->page;
	page.range.len = (unsigned long)h->size;
	must(ioctl(h->faults, UFFDIO_REGISTER, &page), "UFFDIO_REGISTER");
}

static void *take(void *userdata)
{
	struct hold *h = userdata;

	must(ioctl(h->tap, TUNSETTXFILTER, h->page), "TUNSETTXFILTER");
	return NULL;
}

static void wait_for_line(int timeout_ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;

	if (poll(&in, 1, timeout_ms) > 0)
		while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
			;
}

int main(void)
{
	struct hold h = {};
	struct uffd_msg fault;
	struct uffdio_zeropage zero = {};
	pthread_t taker;

	set_up(&h);
	say("ready");
	wait_for_line(-1);
	must(-pthread_create(&taker, NULL, take, &h), "pthread_create");
	must((int)read(h.faults, &fault, sizeof(fault)), "read");
	say("held");
	wait_for_line(HOLD_MS);
	zero.range.start = (unsigned long)h.page;
	zero.range.len = (unsigned long)h.size;
	must(ioctl(h.faults, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE");
	(void)pthread_join(taker, NULL);
	say("free");
	return 0;
}
