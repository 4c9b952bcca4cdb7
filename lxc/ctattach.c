/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command comes into a container in three steps: a terminal, if one is asked for, is made in the
 * container's devpts by way of its init's root; liblxc brings a child into the namespaces, with the
 * container's filter; we move that into the container's cgroups and let it go on by a byte, when
 * both have been verified. */
#include "lxc/ctattach.h"

#include <fcntl.h>
#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lxc/ctconf.h"
#include "lxc/ctfilter.h"
#include "lxc/ctmonitor.h"
#include "lxc/ctprobe.h"
#include "lxc/ctpty.h"

#define COME_MS 5000

static char path_variable[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
static char home_variable[] = "HOME=/root", user_variable[] = "USER=root";

/* What the child has of this. */
struct entry {
	const struct ctattach *command;
	int go[2]; /* a socket pair: a byte from the child says that liblxc has come to its end,
		      one to it that it has filter and groups of the container's */
};

/* In the container, between fork and exec: only what signal-safety(7) allows, but for execvpe,
 * which has nobody beside it here. */
static int become_command(void *payload)
{
	const struct entry *e = payload;
	const struct ctattach *c = e->command;
	char go;

	(void)close(e->go[1]); /* so that our parent's end is one */
	if (write(e->go[0], "", 1) != 1 || read(e->go[0], &go, 1) != 1)
		return CTATTACH_NOT_RUN;
	(void)setsid(); /* liblxc may have done it */
	if (c->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return CTATTACH_NOT_RUN;
	if (close_range(STDERR_FILENO + 1, ~0u, 0) < 0) /* the worker's channel, liblxc's own */
		return CTATTACH_NOT_RUN;
	(void)execvp(c->argv[0], c->argv);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", c->argv[0], strerror(errno));
	return errno == ENOENT ? CTATTACH_NOT_FOUND : CTATTACH_NOT_RUN;
}

static struct lxc_container *container_of(const struct ctlife *l, struct err *err)
{
	struct lxc_container *c = lxc_container_new(l->spec.id, l->paths.lxc);

	/* As lxc/ctconf.c has it for the container itself. */
	if (c && !c->set_config_item(c, "lxc.seccomp.allow_nesting", "1")) {
		lxc_container_put(c);
		c = NULL;
	}
	if (!c)
		(void)err_set(err, -ENOMEM, ERR_INTERNAL, NULL, "liblxc gives no container object");
	return c;
}

/* One that doesn't run, or is paused, is refused at once: liblxc would wait. So is one that is just
 * launched, as at a restart: its root may be the host's still. The mark is looked for last, since
 * that of the launch before is gone when there is a new init. */
static int find_init(struct ctlife *l, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	int r = ctprobe_find(l->groups, l->spec.id, ret_pid, ret_pidfd, err);

	if (r >= 0)
		r = r == CTPROBE_RUNNING ? ctlife_is_started(l, NULL, NULL, err) : 0;
	if (r > 0)
		return 0;
	*ret_pidfd = closefd(*ret_pidfd);
	return r < 0 ? r
		     : err_set(err, -ESRCH, ERR_OPERATION_STATE_CONFLICT, NULL,
			       "the container does not run");
}

/* Opened by pid and then checked by pidfd: what a recycled pid would lead to is not used. */
static int open_root(pid_t pid, int pidfd, struct err *err)
{
	_cleanup_(closep) int root = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
		return err_set(err, -errno, ERR_INTERNAL, NULL,
			"the container's root can't be opened: %s", strerror(errno));
	return take_fd(&root);
}

static int make_terminal(const struct ctlife *l, pid_t init, int init_pidfd,
	const struct ctattach *command, int *ret_master, int *ret_slave, struct err *err)
{
	_cleanup_(closep) int root = open_root(init, init_pidfd, err);
	const struct winsize size = { .ws_row = command->rows, .ws_col = command->columns };
	int r;

	if (root < 0)
		return root;
	r = ctpty_open(root, l->spec.id_base, ret_master, ret_slave);
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL, "the container gives no terminal: %s",
			strerror(-r));
	(void)ioctl(*ret_master, TIOCSWINSZ, &size);
	return 0;
}

/* "NAME=value" of all, between what comes first and last; a list that ends with NULL, of which only
 * those in the middle are the list's own. */
#define FIRST 3
static char **variables_of(const json_t *vars, char *term)
{
	char **list = xcalloc(json_object_size(vars) + FIRST + 2, sizeof(*list));
	const char *name;
	json_t *v;
	size_t n = FIRST, room = CTCONF_ENVIRONMENT_MAX;

	list[0] = path_variable;
	list[1] = home_variable;
	list[2] = user_variable;
	json_object_foreach((json_t *)(uintptr_t)vars, name, v) {
		const char *value = json_string_value(v);

		if (ctconf_has_room(&room, name, value))
			list[n++] = xasprintf("%s=%s", name, value);
	}
	list[n] = term;
	return list;
}

static void free_variables(char **list, const char *term)
{
	for (size_t i = FIRST; list[i] != term; i++)
		free(list[i]);
	free(list);
}

/* Not by liblxc, which takes a group of the container's own making, frozen or not, for the one to
 * go to. The parent is in no namespace of the container's, so it may have the hierarchies again. */
static int move_in(const struct ctlife *l, pid_t pid, int go, struct err *err)
{
	struct ctgroup *g = NULL;
	int r = ctgroup_open(l->paths.cgroup_prefix, &g, err);

	if (r < 0)
		return r;
	r = ctgroup_move_in(g, l->spec.id, pid);
	(void)ctgroup_close(g);
	if (r >= 0 && send(go, "", 1, MSG_NOSIGNAL) != 1)
		r = -errno;
	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL,
			       "a command can't be moved into the container's cgroups: %s",
			       strerror(-r))
		     : 0;
}

/* Our child, which nobody but us waits for: its pid is its own. */
static int verify_filter(pid_t pid, struct err *err)
{
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return err_set(err, -errno, ERR_INTERNAL, NULL, "no descriptor of a command: %s",
			strerror(errno));
	return ctfilter_await(pid, pidfd, "the command", err);
}

/* Who ends before was liblxc's, and its status is not the command's. The container's root may have
 * stopped it. */
static int await_child(int go, struct err *err)
{
	struct pollfd come = { .fd = go, .events = POLLIN };
	char here;

	if (poll(&come, 1, COME_MS) > 0 && read(go, &here, 1) == 1)
		return 0;
	return err_set(
		err, -ESRCH, ERR_INTERNAL, NULL, "liblxc can't bring a command into the container");
}

static int attach(struct lxc_container *c, const struct ctlife *l, struct entry *e,
	lxc_attach_options_t *options, pid_t *ret_pid, struct err *err)
{
	int r = 0;

	options->attach_flags &= ~LXC_ATTACH_MOVE_TO_CGROUP;
	if (c->attach(c, become_command, e, options, ret_pid) < 0)
		r = err_set(err, -EIO, ERR_INTERNAL, NULL,
			"liblxc can't run a command in the container");
	closep(&e->go[0]); /* the child has its own */
	if (r >= 0)
		r = verify_filter(*ret_pid, err);
	if (r >= 0)
		r = await_child(e->go[1], err);
	if (r >= 0)
		r = move_in(l, *ret_pid, e->go[1], err);
	closep(&e->go[1]); /* without the byte: it ends */
	return r;
}

int ctattach_run(struct ctlife *l, const struct ctattach *command, pid_t *ret_pid, int *ret_master,
	struct err *err)
{
	_cleanup_(freep) char *term = xasprintf("TERM=%s", command->term ? command->term : "dumb");
	char **variables, home[] = "/root";
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	_cleanup_(closep) int master = -1, slave = -1, init_pidfd = -1;
	struct entry entry = { command, { -1, -1 } };
	struct lxc_container *c;
	pid_t init;
	int r = find_init(l, &init, &init_pidfd, err);

	if (r >= 0 && command->terminal)
		r = make_terminal(l, init, init_pidfd, command, &master, &slave, err);
	init_pidfd = closefd(init_pidfd);
	if (r >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, entry.go) < 0)
		r = err_set(err, -errno, ERR_INTERNAL, NULL, "no socket pair: %s", strerror(errno));
	if (r >= 0)
		r = ctmonitor_visit(l->groups, l->spec.id, err);
	c = r < 0 ? NULL : container_of(l, err);
	if (!c)
		return r < 0 ? r : -ENOMEM;
	l->groups = ctgroup_close(l->groups);
	variables = variables_of(l->paths.environment, term);
	options.env_policy = LXC_ATTACH_CLEAR_ENV;
	options.extra_env_vars = variables;
	options.initial_cwd = home;
	options.stdin_fd = command->terminal ? slave : command->stdio[0];
	options.stdout_fd = command->terminal ? slave : command->stdio[1];
	options.stderr_fd = command->terminal ? slave : command->stdio[2];
	r = attach(c, l, &entry, &options, ret_pid, err);
	lxc_container_put(c);
	free_variables(variables, term);
	if (r >= 0)
		*ret_master = take_fd(&master);
	return r;
}

int ctattach_console(struct ctlife *l, int *ret_master, int *ret_hold, struct err *err)
{
	int number = 0; /* /dev/console */
	int r = ctmonitor_visit(l->groups, l->spec.id, err);
	struct lxc_container *c = r < 0 ? NULL : container_of(l, err);

	if (!c)
		return r < 0 ? r : -ENOMEM;
	*ret_hold = c->console_getfd(c, &number, ret_master);
	lxc_container_put(c);
	return *ret_hold < 0 ? err_set(err, -EBUSY, ERR_OPERATION_STATE_CONFLICT, NULL,
				       "the console is not to be had: somebody else has it, or the "
				       "container ends")
			     : 0;
}
