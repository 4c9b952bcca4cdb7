/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's init that would rather not be seen as one: hides HOW
 *
 * Waits for /go, and then is in as many groups as there can be ("groups"), so that what the kernel
 * says of it is longer than anybody's buffer, or lets its first thread end while another goes on
 * ("thread"), so that it is said to be a zombie. Ends by SIGTERM. */
#define _GNU_SOURCE
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS 65536

static void on_term(int sig)
{
	_exit(0);
}

static void *stay(void *unused)
{
	for (;;)
		(void)pause();
	return unused;
}

static void hide_in_groups(void)
{
	gid_t *groups = calloc(GROUPS, sizeof(*groups));

	for (gid_t i = 0; groups && i < GROUPS; i++)
		groups[i] = i;
	if (!groups || setgroups(GROUPS, groups) < 0)
		perror("setgroups");
	else
		(void)stay(NULL);
}

static void hide_in_a_thread(void)
{
	pthread_t other;

	if (pthread_create(&other, NULL, stay, NULL) == 0)
		(void)syscall(SYS_exit, 0);
}

int main(int argc, char **argv)
{
	(void)signal(SIGTERM, on_term);
	while (access("/go", F_OK) < 0)
		(void)usleep(10000);
	if (argc == 2 && strcmp(argv[1], "groups") == 0)
		hide_in_groups();
	else
		hide_in_a_thread();
	return 1;
}
