/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Confinement of the leaves: programs that parse what strangers send and need nothing of the host
 * but sockets and time. Works without systemd, so that tests prove it.
 *
 * After sandbox_enter the process is another user without capabilities or a way to new privileges,
 * sees an empty read-only file system, and may make only the system calls that a TLS client needs;
 * any other doesn't exist for it (ENOSYS), and those by which a process takes over a host end it
 * (SIGSYS). Call it with one thread, after everything that has to be read from files was
 * read, and after what glibc loads on demand (name service, character sets) was loaded once. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* The sanitizers' own system calls would end a process by its filter: it has none then, and they
 * keep their way to speak. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED true
#else
#define SANDBOX_SANITIZED false
#endif

enum sandbox_role {
	SANDBOX_CLIENT, /* makes TCP connections (the courier) */
	SANDBOX_SERVER, /* accepts on a socket that it was given (the portal) */
	SANDBOX_PROXY,  /* both of them, and moves bytes between sockets (hoody-netproxy) */
	/* makes files of every kind below the root that it is in, and nothing else */
	SANDBOX_UNPACK,
};
struct sandbox_who {
	/* whom to become, as user and group (proto/leafid.h); of no effect when not root */
	uint32_t id;
	/* when root: the directory that is all of /etc (agent/host/namefiles); NULL: it is empty */
	const char *etc;
};

/* Of the leaves' command line, "--id NUMBER --etc DIRECTORY"; without any, who started us has
 * confined us, as a user of our own (a systemd unit). Returns 0, or -EINVAL when nobody has (said
 * on stderr, with @name): end then. */
_must_check_ int sandbox_read_arguments(
	const char *name, int argc, char **argv, struct sandbox_who *ret);
/* Returns 0, or a negative errno: then nothing must go on. SANDBOX_UNPACK changes neither user nor
 * root (@who may be NULL): the caller has put the process where it belongs. */
_must_check_ int sandbox_enter(
	enum sandbox_role role, const struct sandbox_who *who, struct err *err);
