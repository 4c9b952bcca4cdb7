/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program hoodyctl, run as a user runs it: its command line, what it makes of an agent's
 * answers, and enrolment with control APIs of all manners. Judged are its exit code, what it
 * prints, and the files that it leaves.
 *
 * The agent is a child that listens on a socket and answers as told; the control API is a server
 * on loopback that answers as told, once; the terminal is a pseudo terminal. Everything lies in
 * one directory of the test's own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/common/conf.h"
#include "proto/chanio.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/test-ctl-XXXXXX";
static char out[65536], errors[65536];

/* --- files and processes --- */

static const char *at(const char *name)
{
	static char paths[4][128];
	static unsigned n;

	(void)snprintf(paths[n % 4], sizeof(paths[0]), "%s/%s", dir, name);
	return paths[n++ % 4];
}

static void slurp(const char *path, char *ret, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(ret, 1, size - 1, f) : 0;

	ret[n] = '\0';
	if (f)
		(void)fclose(f);
}

static bool put(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "we");

	return f && fputs(text, f) >= 0 && fclose(f) == 0;
}

static void shell(const char *fmt, ...) _printf_(1, 2);
static void shell(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		TAP_BAIL("failed: %s", command);
}

/* hoodyctl with these arguments (words of a shell); its exit code. Fills out and errors. */
static int ctl(const char *fmt, ...) _printf_(1, 2);
static int ctl(const char *fmt, ...)
{
	const char *top = getenv("top_builddir");
	char arguments[1024], command[2048];
	va_list ap;
	int status;

	va_start(ap, fmt);
	(void)vsnprintf(arguments, sizeof(arguments), fmt, ap);
	va_end(ap);
	(void)snprintf(command, sizeof(command), ">%s/out 2>%s/err %s/agent/hoodyctl %s", dir, dir,
		top ? top : ".", arguments);
	status = system(command);
	slurp(at("out"), out, sizeof(out));
	slurp(at("err"), errors, sizeof(errors));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* --- the command line --- */

static void test_usage(void)
{
	static const struct {
		const char *arguments, *part;
	} bad[] = {
		{ "frobnicate", "no command frobnicate" },
		{ "--frobnicate status", "no option --frobnicate" },
		{ "-x", "no option -x" },
		{ "status orders", "what is \"orders\"" },
		{ "orders -n", "--lines needs a value" },
		{ "orders -n 0", "1 to 1000" },
		{ "orders -n1001", "1 to 1000" },
		{ "orders --lines=3x", "1 to 1000" },
		{ "orders --lines=-3", "1 to 1000" },
		{ "status --json=yes", "--json takes no value" },
		{ "status --url x", "--url is no option of status" },
		{ "--force --utc status", "--force is no option of status" },
		{ "--color=yes status", "--color: want always, never or auto" },
		{ "container info ''", "an argument is empty" },
		{ "--url x status", "--url is no option of status" },
		{ "enroll", "--token: is needed" },
		{ "enroll --token 'a b'", "visible ASCII" },
		{ "enroll --token - </dev/null", "standard input" },
	};
	static const char *const names[] = { "status", "orders", "keygen", "enroll", "config" };

	for (size_t i = 0; i < countof(bad); i++) {
		TAP_EQ(ctl("%s", bad[i].arguments), 2, "%s: exit code", bad[i].arguments);
		TAP_OK(strstr(errors, bad[i].part) != NULL, "%s: says: %s", bad[i].arguments,
			errors);
		TAP_STREQ(out, "", "%s: nothing on stdout", bad[i].arguments);
	}
	TAP_EQ(ctl("%s", ""), 2, "no command");
	TAP_EQ(ctl("--version"), 0, "version");
	TAP_STREQ(out, "hoodyctl " PACKAGE_VERSION "\n", "is ours");
	for (size_t i = 0; i < countof(names); i++) {
		TAP_EQ(ctl("%s --help", names[i]), 0, "%s --help", names[i]);
		TAP_OK(strstr(out, "--json") != NULL && *errors == '\0', "%s: shows its options",
			names[i]);
	}
	TAP_EQ(ctl("--help >/dev/full"), 1, "a full stdout is a failure");
}

static void test_config(void)
{
	TAP_OK(put("a.conf", "[Node]\nMaxWorkers=3\n[Bogus]\n"), "a bad file");
	TAP_EQ(ctl("config -c %s", at("a.conf")), 4, "is refused");
	TAP_OK(strstr(errors, "a.conf, line 3: there is no section [Bogus]") != NULL,
		"with its line: %s", errors);
	TAP_EQ(ctl("keygen -c %s", at("a.conf")), 4, "by every command");
	TAP_EQ(ctl("status -c %s", at("a.conf")), 4, "also status");
	TAP_OK(put("a.conf", "[Node]\nMaxWorkers=3\n"), "a good one");
	TAP_EQ(ctl("config -c %s", at("a.conf")), 0, "is shown");
	TAP_OK(strstr(out, "\nMaxWorkers=3\n") && strstr(out, "\nDriver=auto\n"), "with defaults");
	TAP_EQ(ctl("config -j -c %s", at("a.conf")), 0, "as JSON");
	TAP_OK(strstr(out, "\"MaxWorkers\": \"3\"") != NULL, "too");
	TAP_EQ(ctl("config -c %s", at("missing.conf")), 4, "a missing file: %s", errors);
}

static void test_keygen(void)
{
	char first[1024];
	struct stat st;

	(void)snprintf(first, sizeof(first), "[Node]\nStateDirectory=%s/state\n", dir);
	TAP_OK(put("a.conf", first), "a configuration");
	TAP_EQ(ctl("keygen -c %s", at("a.conf")), 0, "a new key: %s", errors);
	TAP_OK(stat(at("state/node.key"), &st) == 0 && (st.st_mode & 07777) == 0600, "its file");
	TAP_OK(stat(at("state"), &st) == 0 && (st.st_mode & 07777) == 0700, "its directory");
	memcpy(first, out, sizeof(first));
	TAP_EQ(ctl("keygen -c %s", at("a.conf")), 0, "again");
	TAP_OK(strncmp(first, out, sizeof(first)) == 0, "is the same");
	TAP_EQ(ctl("keygen -j -c %s", at("a.conf")), 0, "as JSON");
	TAP_OK(strstr(out, "\"keyid\"") && strstr(out, "state/node.key\""), "too");
	TAP_EQ(chmod(at("state/node.key"), 0644), 0, "others can read it");
	TAP_EQ(ctl("keygen -c %s", at("a.conf")), 1, "is refused: %s", errors);
}

/* --- an agent that answers as told --- */

struct agent_answer {
	uint16_t type;
	uint64_t id_offset;
	const char *json;
	bool hang_up;
};

static pid_t serve_agent(const struct agent_answer *answer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pid_t pid;

	strcpy(address.sun_path, at("agent.sock"));
	(void)unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 1) < 0)
		TAP_BAIL("no socket");
	pid = fork();
	if (pid == 0) {
		int client = accept(fd, NULL, NULL), extra;
		struct frame f;
		void *payload;
		int r = chanio_recv_sync(client, 5000, &f, &payload, &extra);

		if (r == 0 && !answer->hang_up) {
			f = (struct frame){ .type = answer->type, .id = f.id + answer->id_offset };
			r = chanio_send_sync(client, &f, answer->json, strlen(answer->json), -1);
		}
		_exit(r == 0 ? 0 : 1);
	}
	closefd(fd);
	return pid;
}

static bool reap(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

static int ask(const struct agent_answer *answer, const char *command)
{
	pid_t pid = serve_agent(answer);
	int code = ctl("%s --socket %s", command, at("agent.sock"));

	TAP_OK(reap(pid), "%s: asked once", command);
	return code;
}

#define STATUS                                                                                    \
	"{\"version\":\"0.1.0\",\"node_id\":\"0123456789abcdef01234567\",\"name\":\"n1\","        \
	"\"state\":\"running\","                                                                  \
	"\"uptime_ms\":11520000,\"control\":{\"url\":\"https://"                                  \
	"a\",\"state\":\"backing-off\",\"last_error\":\"no route\","                              \
	"\"after\":41,\"head_seq\":42},\"orders\":{\"accepted\":1,\"running\":2,\"succeeded\":3," \
	"\"failed\":4,\"rejected\":5},"                                                           \
	"\"outbox\":{\"reports\":7,\"bytes\":2048},\"containers\":[{\"id\":"                      \
	"\"aaaaaaaaaaaaaaaaaaaaaaaa\","                                                           \
	"\"name\":\"\\u001b[31mevil\\u0007\\u009b\\nü\",\"project_id\":\"p\",\"status\":"        \
	"\"running\",\"pid\":123,\"image\":\"i\"},"                                               \
	"{\"id\":\"bbbbbbbbbbbbbbbbbbbbbbbb\",\"name\":null,\"project_id\":\"p\",\"status\":"     \
	"\"stopped\",\"pid\":0,\"image\":\"i\"}],"                                                \
	"\"rss_bytes\":4404019,\"commit_us\":{\"last\":850,\"max\":12345}}"
#define ORDERS                                                                                     \
	"{\"orders\":[{\"row\":12,\"order_id\":\"o2\",\"seq\":9,\"op\":\"container.stop\","        \
	"\"container_id\":\"c\",\"origin\":"                                                       \
	"\"control\",\"state\":\"failed\",\"attempts\":2,\"received_ms\":1795420800000,\"started_" \
	"ms\":1795420800000,"                                                                      \
	"\"finished_ms\":1795420801500,\"error\":{\"code\":\"TIMEOUT\",\"message\":\"too "         \
	"slow\"}},"                                                                                \
	"{\"row\":11,\"order_id\":\"o1\",\"seq\":null,\"op\":\"container.start\",\"origin\":"      \
	"\"local:0\",\"state\":\"running\","                                                       \
	"\"attempts\":1,\"received_ms\":1795420800000}]}"

static void test_answers(void)
{
	static const struct agent_answer
		status = { FRAME_CTL_ANSWER, .json = STATUS },
		orders = { FRAME_CTL_ANSWER, .json = ORDERS },
		empty = { FRAME_CTL_ANSWER, .json = "{}" },
		refusal = { FRAME_CTL_ERROR,
			.json = "{\"code\":\"NO\",\"message\":\"why\\u001b\"}" };
	static const struct {
		const char *name;
		struct agent_answer answer;
		int code;
	} bad[] = {
		{ "hung up", { FRAME_CTL_ANSWER, .hang_up = true }, 3 },
		{ "no JSON", { FRAME_CTL_ANSWER, .json = "{" }, 1 },
		{ "no object", { FRAME_CTL_ANSWER, .json = "[1]" }, 1 },
		{ "another question's", { FRAME_CTL_ANSWER, 1, "{}" }, 1 },
		{ "another frame", { FRAME_COURIER_READY, .json = "{}" }, 1 },
		{ "no payload", { FRAME_CTL_ANSWER, .json = "" }, 1 },
	};

	TAP_EQ(ask(&status, "status"), 0, "status: %s", errors);
	TAP_OK(strstr(out, "n1 (0123456789abcdef01234567)") && strstr(out, "3 h 12 min") &&
			strstr(out, "4.2 MiB"),
		"node");
	TAP_OK(strstr(out, "backing-off") && strstr(out, "last error: no route") &&
			strstr(out, "41 of 42"),
		"control");
	TAP_OK(strstr(out, "1 waiting, 2 running, 3 succeeded, 4 failed, 5 rejected"), "orders");
	TAP_OK(strstr(out, "7 reports to deliver, 2.0 KiB") &&
			strstr(out, "0.8 ms for the last change, 12.3 ms at most"),
		"outbox and commit");
	TAP_OK(strstr(out, "?[31mevil????ü") != NULL, "no control character gets through");
	TAP_OK(!strchr(out, 033) && !strchr(out, 7), "and no colours: it is no terminal");
	TAP_OK(strstr(out, "bbbbbbbbbbbbbbbbbbbbbbbb  -               stopped    -  p"),
		"columns are aligned:\n%s", out);
	TAP_EQ(ask(&status, "status --json"), 0, "status as JSON");
	TAP_OK(strstr(out, "\"head_seq\": 42") != NULL && !strchr(out, 033), "is JSON");
	TAP_EQ(ask(&empty, "status"), 0, "status of an agent that leaves everything out");
	TAP_EQ(ask(&orders, "orders"), 0, "orders: %s", errors);
	TAP_OK(strstr(out, "o1") && strstr(out, "o1") < strstr(out, "o2"), "the newest is last");
	TAP_OK(strstr(out, "1.5 s") && strstr(out, "too slow (TIMEOUT)"), "time and error");
	TAP_EQ(ask(&orders, "orders -jn 3"), 0, "orders as JSON");
	TAP_EQ(ask(&refusal, "orders"), 1, "a refusal");
	TAP_OK(strstr(errors, "NO: why?") != NULL, "is shown: %s", errors);
	for (size_t i = 0; i < countof(bad); i++)
		TAP_EQ(ask(&bad[i].answer, "status"), bad[i].code, "%s: %s", bad[i].name, errors);
	(void)unlink(at("agent.sock"));
	TAP_EQ(ctl("status -s %s", at("agent.sock")), 3, "nobody listens: %s", errors);
	TAP_EQ(ctl("status -s %0200d", 1), 2, "too long a path: %s", errors);
}

/* --- a terminal --- */

/* status on a pseudo terminal: what it wrote. */
static void on_terminal(const char *env, char *ret, size_t size)
{
	static const struct agent_answer status = { FRAME_CTL_ANSWER, .json = STATUS };
	const char *top = getenv("top_builddir");
	_cleanup_(freep) char *program = xasprintf("%s/agent/hoodyctl", top ? top : ".");
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid_t server, pid;
	size_t n = 0;
	ssize_t got;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		TAP_BAIL("no pseudo terminal");
	server = serve_agent(&status);
	pid = fork();
	if (pid == 0) {
		const char *socket_path = at("agent.sock");
		int slave = open(ptsname(master), O_RDWR | O_NOCTTY);

		if (slave < 0 || dup2(slave, STDOUT_FILENO) < 0)
			_exit(127);
		(void)clearenv();
		(void)setenv("TERM", "xterm", 1);
		(void)putenv((char *)env);
		(void)execl(program, program, "status", "-s", socket_path, NULL);
		_exit(127);
	}
	while ((got = read(master, ret + n, size - 1 - n)) > 0)
		n += (size_t)got;
	ret[n] = '\0';
	closefd(master);
	TAP_OK(reap(pid) && reap(server), "on a terminal with %s", env);
}

static void test_colours(void)
{
	char text[16384];

	on_terminal("X=", text, sizeof(text));
	TAP_OK(strstr(text, "\033[32mrunning\033[0m") != NULL, "colours");
	TAP_OK(strstr(text, "?[31mevil") != NULL, "but only ours");
	on_terminal("NO_COLOR=1", text, sizeof(text));
	TAP_OK(strstr(text, "running") && !strchr(text, 033), "none with NO_COLOR");
	on_terminal("NO_COLOR=", text, sizeof(text));
	TAP_OK(strchr(text, 033) != NULL, "an empty NO_COLOR is none");
	on_terminal("TERM=dumb", text, sizeof(text));
	TAP_OK(strstr(text, "running") && !strchr(text, 033), "none on a dumb terminal");
}

/* --- a control API that answers as told, once --- */

static pid_t serve_http(const char *response, unsigned *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		TAP_BAIL("no loopback");
	*ret_port = ntohs(address.sin_port);
	pid = fork();
	if (pid == 0) {
		char request[8192] = "";
		size_t n = 0, left = strlen(response);
		int client;
		ssize_t got;

		(void)signal(SIGPIPE, SIG_IGN);
		(void)alarm(10 * tap_slow());
		client = accept(fd, NULL, NULL);
		while (n < sizeof(request) - 1 && !strstr(request, "}") &&
			(got = read(client, request + n, sizeof(request) - 1 - n)) > 0)
			n += (size_t)got;
		(void)put("request", request);
		while (left > 0 && (got = write(client, response, left)) > 0) {
			response += got;
			left -= (size_t)got;
		}
		_exit(0);
	}
	closefd(fd);
	return pid;
}

static char *http(int status, const char *body)
{
	return xasprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: "
			 "%zu\r\nLocation: "
			 "http://127.0.0.1:9/\r\nConnection: close\r\n\r\n%s",
		status, strlen(body), body);
}

#define KEY_1 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_2 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define KEYSET(key)                                                          \
	"{\"version\":3,\"keys\":[{\"kid\":\"v1\",\"public_key_hex\":\"" key \
	"\"}],\"active_kid\":\"v1\"}"
#define ANSWER(id, token, keyset)                                                    \
	"{\"success\":true,\"data\":{\"node_id\":\"" id "\",\"node_token\":\"" token \
	"\",\"keyset\":" keyset ",\"more\":1}}"
#define NODE_1 "0123456789abcdef01234567"
#define NODE_2 "fedcba9876543210fedcba98"

/* A node that is not enrolled, with its configuration in @dir. */
static void fresh_node(void)
{
	char text[512];

	shell("rm -rf %s/state %s/etc && mkdir %s/etc", dir, dir, dir);
	(void)snprintf(text, sizeof(text),
		"[Node]\nStateDirectory=%s/state\nRuntimeDirectory=%s\n[Control]\nTrustedKeys=%s/"
		"etc/keys.json\n",
		dir, dir, dir);
	if (!put("etc/a.conf", text))
		TAP_BAIL("no configuration");
}

static int enroll(const char *response, const char *arguments)
{
	unsigned port;
	pid_t pid = serve_http(response, &port);
	int code = ctl("enroll --url http://127.0.0.1:%u/api/v1/ -c %s %s", port, at("etc/a.conf"),
		arguments);

	(void)kill(pid, SIGTERM); /* it may never have been asked */
	(void)waitpid(pid, NULL, 0);
	return code;
}

static bool is_enrolled(void)
{
	struct stat st;

	return stat(at("etc/a.conf.d/50-enrol.conf"), &st) == 0 ||
	       stat(at("etc/node-token"), &st) == 0;
}

static void test_enroll(void)
{
	_cleanup_(freep) char *good = http(200, ANSWER(NODE_1, "tok-1", KEYSET(KEY_1)));
	_cleanup_(freep) char *other = http(201, ANSWER(NODE_2, "tok-2", KEYSET(KEY_2)));
	_cleanup_conf_ struct conf c = { 0 };
	struct err err = { 0 };
	struct stat st;
	char text[8192];

	fresh_node();
	TAP_EQ(enroll(good, "--token T0"), 0, "enrol: %s", errors);
	TAP_OK(strstr(out, NODE_1) && strstr(out, "50-enrol.conf") && strstr(out, "node-token"),
		"says what it wrote");
	TAP_OK(!strstr(out, "tok-1"), "but not the token");
	slurp(at("request"), text, sizeof(text));
	TAP_OK(strncmp(text, "POST /api/v1/nodes/enroll HTTP/1.1\r\n", 36) == 0, "the request");
	TAP_OK(strstr(text, "User-Agent: hoody-agent/" PACKAGE_VERSION "\r\n") &&
			strstr(text, "\"token\":\"T0\"") && strstr(text, "\"public_key_hex\":\"") &&
			strstr(text, "\"hostname\":\"") &&
			strstr(text, "\"agent_version\":\"" PACKAGE_VERSION "\"") &&
			!strstr(text, "Authorization"),
		"holds what it should");
	TAP_EQ(conf_load(at("etc/a.conf"), &c, &err), 0, "the configuration is valid: %s",
		err.message);
	TAP_STREQ(c.node.node_id, NODE_1, "node id");
	TAP_OK(strstr(c.control.api_url, "/api/v1") &&
			c.control.api_url[strlen(c.control.api_url) - 1] == '1',
		"URL");
	slurp(c.control.token_file, text, sizeof(text));
	TAP_STREQ(text, "tok-1\n", "the token");
	TAP_OK(stat(c.control.token_file, &st) == 0 && (st.st_mode & 07777) == 0600, "mode 0600");
	TAP_OK(stat(at("etc/keys.json"), &st) == 0 && (st.st_mode & 07777) == 0644,
		"the keyset: mode 0644");
	slurp(at("etc/keys.json"), text, sizeof(text));
	TAP_OK(strstr(text, KEY_1) != NULL, "holds the key");
	shell("test -z \"$(find %s/etc -name '*.new')\"", dir);

	(void)unlink(at("request"));
	TAP_EQ(enroll(other, "--token T1"), 1, "a second time: %s", errors);
	TAP_OK(access(at("request"), F_OK) < 0, "the token is not spent");
	TAP_EQ(enroll(other, "--token T1 --force --json"), 0, "forced: %s", errors);
	TAP_OK(strstr(out, "\"node_id\": \"" NODE_2 "\"") != NULL, "is told as JSON");
	slurp(at("etc/keys.json"), text, sizeof(text));
	TAP_OK(strstr(text, KEY_2) && !strstr(text, KEY_1), "replaces the keyset");
}

static void test_enroll_keyset(void)
{
	_cleanup_(freep) char *good = http(200, ANSWER(NODE_1, "tok-1", KEYSET(KEY_1)));
	char text[8192];

	fresh_node();
	TAP_OK(put("etc/keys.json", KEYSET(KEY_2)), "another keyset is there");
	TAP_EQ(enroll(good, "--token T0"), 1, "refused: %s", errors);
	slurp(at("etc/keys.json"), text, sizeof(text));
	TAP_OK(strcmp(text, KEYSET(KEY_2)) == 0 && !is_enrolled(), "nothing was written");
	TAP_OK(put("etc/keys.json",
		       "{ \"active_kid\": \"v1\", \"version\": 3, \"keys\": [ { \"kid\": \"v1\", "
		       "\"public_key_hex\": \"" KEY_1 "\" } ] }"),
		"the same keyset, written otherwise");
	TAP_EQ(enroll(good, "--token - </dev/null"), 2, "no token on standard input");
	shell("echo T9 >%s", at("stdin"));
	(void)snprintf(text, sizeof(text), "--token - <%s", at("stdin"));
	TAP_EQ(enroll(good, text), 0, "accepted: %s", errors);
	slurp(at("request"), text, sizeof(text));
	TAP_OK(strstr(text, "\"token\":\"T9\"") != NULL, "with the token of standard input");
}

static void test_enroll_bad(void)
{
	static char large[2 * 1024 * 1024];
	const struct {
		const char *name;
		int status;
		const char *body, *part;
		int code;
	} bad[] = {
		{ "refused", 403,
			"{\"statusCode\":403,\"error\":\"FORBIDDEN\",\"message\":\"used\\u001b["
			"2J\"}",
			"403 FORBIDDEN: used?[2J", 1 },
		{ "redirect", 302, "{}", "302", 1 },
		{ "no JSON", 200, "<html>", "no JSON", 1 },
		{ "an array", 200, "[]", "no JSON object", 1 },
		{ "no data", 200, "{\"success\":true}", "data", 1 },
		{ "no token", 200, "{\"data\":{\"node_id\":\"" NODE_1 "\"}}", "node_token", 1 },
		{ "bad id", 200, ANSWER("../../x", "t", KEYSET(KEY_1)), "node_id", 1 },
		{ "token with a newline", 200, ANSWER(NODE_1, "t\\nX: y", KEYSET(KEY_1)),
			"node_token", 1 },
		{ "empty token", 200, ANSWER(NODE_1, "", KEYSET(KEY_1)), "node_token", 1 },
		{ "no keyset", 200, ANSWER(NODE_1, "t", "null"), "keyset", 1 },
		{ "bad keyset", 200,
			ANSWER(NODE_1, "t", "{\"version\":1,\"keys\":[],\"active_kid\":\"v1\"}"),
			"keyset", 1 },
		{ "too large", 200, large, "larger", 3 },
	};
	struct stat st;

	memset(large, ' ', sizeof(large) - 1);
	for (size_t i = 0; i < countof(bad); i++) {
		_cleanup_(freep) char *response = http(bad[i].status, bad[i].body);

		fresh_node();
		TAP_EQ(enroll(response, "--token T0"), bad[i].code, "%s: exit code", bad[i].name);
		TAP_OK(strstr(errors, bad[i].part) != NULL, "%s: says: %s", bad[i].name, errors);
		TAP_OK(!is_enrolled() && stat(at("etc/keys.json"), &st) < 0,
			"%s: nothing was written", bad[i].name);
	}
	TAP_EQ(enroll("", "--token T0"), 3, "no response: %s", errors);
	TAP_EQ(ctl("enroll --token T -c %s --url http://example.com/", at("etc/a.conf")), 2,
		"http: %s", errors);
	TAP_EQ(ctl("enroll --token T -c %s", at("etc/a.conf")), 2, "no URL: %s", errors);
}

/* The token is not spent when what comes back could not be kept. */
static void test_enroll_early(void)
{
	_cleanup_(freep) char *good = http(200, ANSWER(NODE_1, "tok-1", KEYSET(KEY_1)));

	fresh_node();
	(void)unlink(at("request"));
	shell("echo 'TokenFile=%s/nowhere/deep/token' >>%s", dir, at("etc/a.conf"));
	TAP_EQ(enroll(good, "--token T0"), 1, "no directory for the token: %s", errors);
	TAP_OK(access(at("request"), F_OK) < 0, "nothing was asked");
	fresh_node();
	shell("mkdir %s && printf '[Node]\\nNodeId=" NODE_2 "\\n' >%s", at("etc/a.conf.d"),
		at("etc/a.conf.d/60-x.conf"));
	TAP_EQ(enroll(good, "--token T0 --force"), 1, "a later drop-in: %s", errors);
	TAP_OK(strstr(errors, "overrides") != NULL, "is named");
}

int main(void)
{
	if (!mkdtemp(dir))
		TAP_BAIL("no directory");
	test_usage();
	test_config();
	test_keygen();
	test_answers();
	test_colours();
	test_enroll();
	test_enroll_keyset();
	test_enroll_bad();
	test_enroll_early();
	shell("rm -rf %s", dir);
	return tap_done();
}
