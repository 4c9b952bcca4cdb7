/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few words that every file uses: cleanup variables, ownership transfer, aborting allocation.
 * Small allocations abort on failure: a branch that no test reaches is worse than a restart, which
 * is a tested path. Sizes that strangers influence are capped before they come here. */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _must_check_   __attribute__((warn_unused_result))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define countof(a)     (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b)   ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)   ((a) > (b) ? (a) : (b))

/* Hand a pointer on: the variable is left NULL, so that its cleanup does nothing. */
#define TAKE(p)                              \
	({                                   \
		__typeof__(p) *_pp = &(p);   \
		__typeof__(p) _taken = *_pp; \
		*_pp = NULL;                 \
		_taken;                      \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Close @fd when it is one; always returns -1, for `fd = closefd(fd)`. Keeps errno. */
static inline int closefd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd); /* nothing can be done about a failed close of something we only
				    read */
	errno = saved;
	return -1;
}

static inline void closep(int *fd)
{
	*fd = closefd(*fd);
}

/* Who was forked for one purpose has of what is open no more than the standard ones, and @fd as
 * KEPT_FD; or it ends. */
#define KEPT_FD 3
static inline void keep_fd(int fd)
{
	if ((fd != KEPT_FD && dup2(fd, KEPT_FD) < 0) ||
		syscall(SYS_close_range, KEPT_FD + 1, ~0u, 0) < 0)
		_exit(EXIT_FAILURE);
}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* All of @data: a disk that is full takes a part first, and says why only then. */
_must_check_ static inline int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Until @data is full, or to the end: how many bytes, or a negative errno. */
_must_check_ static inline ssize_t read_all(int fd, void *data, size_t size)
{
	char *at = data;
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, at + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static inline void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

/* Where @key stands, or belongs, in a sorted array: behind all items that @order, as of strcmp(3)
 * and between an item and the key, puts before it. */
static inline size_t sorted_place(const void *items, size_t n, size_t size, const void *key,
	int (*order)(const void *item, const void *key))
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (order((const char *)items + mid * size, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The order of texts, and of what begins with a text of its own. */
static inline int sorted_by_text(const void *item, const void *key)
{
	return strcmp(item, key);
}

static inline void *xrealloc(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n ? n : 1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

static inline char *xstrdup(const char *s)
{
	char *p = strdup(s);

	if (!p)
		abort();
	return p;
}

#define xasprintf(...)                              \
	({                                          \
		char *_s = NULL;                    \
		if (asprintf(&_s, __VA_ARGS__) < 0) \
			abort();                    \
		_s;                                 \
	})
