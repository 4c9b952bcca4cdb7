/* SPDX-License-Identifier: GPL-2.0-or-later */
/* evil-courier: a courier that somebody has taken over. Stands beside a hoody-agent as
 * "hoody-courier", reads from the file "evil" there in which way it is evil today, and from
 * "material/" the envelopes that it has stolen or made up. Says what a mode has come to, if
 * anything, in "said" (tests/flow/evil-courier.py).
 *
 * `modes` has them all; each goes on until the agent ends it, or does what it can do and waits.
 * It makes frames by hand, bad ones and odd descriptors included. But for one mode it gives up
 * root, and its descriptors are bounded like a courier's, so that it can do no more harm to
 * others than a real one could. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "proto/chanio.h"
#include "proto/encoding.h"
#include "proto/ident.h"
#include "proto/leafid.h"
#include "proto/sandbox.h"

#define NOBODY       65534
#define MATERIAL_MAX 64
#define FDS_MAX      250 /* of one message: SCM_MAX_FD is 253 */
#define SEALS        (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define ORDERS_MAX   256
#define LINGER_S     30
#define OWN_FILES    256 /* proto/sandbox.c, SANDBOX_CLIENT */
#define ENVELOPE_MAX ((size_t)1024 * 1024)
#define HEAVY        23 /* envelopes of a MiB that a frame has room for */
#define SIGNATURES   8

static struct {
	size_t n;
	char *text[MATERIAL_MAX];
	size_t size[MATERIAL_MAX];
} material;

static char place[PATH_MAX];
static int said = -1;

/* --- what it has to work with --- */

static char *slurp(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		exit(2);
	text = xcalloc(1, (size_t)st.st_size + 1);
	n = read(fd, text, (size_t)st.st_size);
	*ret_size = n < 0 ? 0 : (size_t)n;
	closefd(fd);
	return text;
}

static void gather(void)
{
	_cleanup_(freep) char *folder = xasprintf("%s/material", place);
	DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d)) && material.n < MATERIAL_MAX) {
		_cleanup_(freep) char *path = xasprintf("%s/%s", folder, e->d_name);

		if (e->d_name[0] == '.')
			continue;
		material.text[material.n] = slurp(path, &material.size[material.n]);
		material.n++;
	}
	if (d)
		(void)closedir(d);
}

static uint64_t some(void)
{
	uint64_t r = 0;

	(void)!getrandom(&r, sizeof(r), 0);
	return r;
}

static void say(const char *what)
{
	(void)!write(said, what, strlen(what));
}

/* --- its channel, without manners --- */

static void send_raw(const void *bytes, size_t size, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { (void *)bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	while (sendmsg(CHANNEL_FD, &msg, MSG_NOSIGNAL) < 0) {
		if (errno == EPIPE || errno == ECONNRESET)
			exit(0); /* it was thrown out */
		if (errno != EAGAIN)
			return;
		(void)poll(&(struct pollfd){ .fd = CHANNEL_FD, .events = POLLOUT }, 1, 1000);
	}
}

static void send_frame(const struct frame *f, const int *fds, size_t n_fds)
{
	uint8_t header[FRAME_SIZE];

	frame_build(f, header);
	send_raw(header, sizeof(header), fds, n_fds);
}

static void answer(const struct frame *f, const void *payload, size_t size)
{
	if (chanio_send_sync(CHANNEL_FD, f, payload, size, -1) < 0)
		exit(0);
}

/* The next of these types; what else comes is passed over. Ends with the channel. */
static struct frame await(uint16_t type, uint16_t or_type)
{
	for (;;) {
		_cleanup_(freep) void *payload = NULL;
		_cleanup_(closep) int fd = -1;
		struct frame f;

		if (chanio_recv_sync(CHANNEL_FD, -1, &f, &payload, &fd) < 0)
			exit(0);
		if (f.type == type || f.type == or_type)
			return f;
	}
}

static struct frame await_poll(void)
{
	return await(FRAME_COURIER_POLL, FRAME_COURIER_POLL);
}

static void ready(void)
{
	answer(&(struct frame){ .type = FRAME_COURIER_READY }, NULL, 0);
}

static int memfd(const void *bytes, size_t size, int seals)
{
	int fd = memfd_create("evil", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || (bytes ? write(fd, bytes, size) : ftruncate(fd, (off_t)size)) < 0 ||
		(seals && fcntl(fd, F_ADD_SEALS, seals) < 0))
		exit(3);
	return fd;
}

struct packed {
	uint8_t *bytes;
	size_t size;
	uint64_t n;
};

static void pack(struct packed *p, const char *text, size_t size)
{
	uint32_t length = (uint32_t)size; /* this machine is little-endian, as the frame is */

	p->bytes = xrealloc(p->bytes, p->size + sizeof(length) + size, 1);
	memcpy(p->bytes + p->size, &length, sizeof(length));
	memcpy(p->bytes + p->size + sizeof(length), text, size);
	p->size += sizeof(length) + size;
	p->n++;
}

static void orders(const struct frame *request, const struct packed *p)
{
	answer(&(struct frame){ .type = FRAME_COURIER_ORDERS,
		       .id = request->id,
		       .a = request->a,
		       .b = p->n },
		p->bytes, p->size);
}

/* --- ways to be evil: each goes on until it is ended --- */

static void die(void) {}

static void die_ready(void)
{
	ready();
}

static void garbage(void)
{
	uint8_t bytes[512];
	size_t size = some() % sizeof(bytes);

	(void)!getrandom(bytes, sizeof(bytes), 0);
	for (;;)
		send_raw(bytes, size, NULL, 0);
}

/* A frame as it should be, but for one byte. */
static void headers(void)
{
	uint8_t header[FRAME_SIZE];

	frame_build(&(struct frame){ .type = FRAME_COURIER_READY }, header);
	header[some() % sizeof(header)] ^= (uint8_t)(1 + some() % 255);
	for (;;)
		send_raw(header, sizeof(header), NULL, 0);
}

static void out_of_turn(void)
{
	static const uint16_t types[] = { FRAME_COURIER_READY, FRAME_COURIER_ORDERS,
		FRAME_COURIER_ACKED, FRAME_COURIER_FAILED, FRAME_COURIER_POLL, FRAME_COURIER_SETUP,
		FRAME_WORKER_RESULT, FRAME_PORTAL_REQUEST, FRAME_CTL_STATUS, FRAME_FETCH_DONE };

	if (some() % 2)
		ready();
	for (;;)
		send_frame(
			&(struct frame){ .type = types[some() % countof(types)], .c = 1 }, NULL, 0);
}

/* Answers to what was not asked, or that say more than there is. */
static void lies(void)
{
	struct frame f;
	struct packed p = {};

	ready();
	pack(&p, "{}", 2);
	f = await_poll();
	switch (some() % 6) {
	case 0:
		f.id++;
		orders(&f, &p);
		break;
	case 1:
		p.n = UINT64_MAX;
		orders(&f, &p);
		break;
	case 2:
		p.n = ORDERS_MAX;
		orders(&f, &p);
		break;
	case 3:
		memset(p.bytes, 0xff, sizeof(uint32_t));
		orders(&f, &p);
		break;
	case 4:
		answer(&(struct frame){ .type = FRAME_COURIER_ORDERS, .id = f.id, .b = 1 }, NULL,
			0);
		break;
	default:
		answer(
			&(struct frame){
				.type = FRAME_COURIER_ORDERS, .id = f.id, .a = UINT64_MAX, .b = 0 },
			NULL, 0);
	}
	(void)await_poll();
}

static int odd_descriptor(unsigned which)
{
	int ends[2];

	switch (which) {
	case 0:
		return memfd("{}    ", 6, 0);
	case 1:
		return memfd("{}    ", 6, F_SEAL_SHRINK | F_SEAL_GROW);
	case 2:
		return memfd("{}    ", 6,
			F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	case 3:
		return memfd("{}", 2, SEALS);
	case 4:
		return memfd(NULL, 4096, SEALS);
	case 5:
		return pipe2(ends, O_CLOEXEC) < 0 ? -1 : ends[0];
	case 6:
		return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ? -1 : ends[0];
	case 7:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 8:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 9:
		return open("/", O_PATH | O_CLOEXEC);
	case 10:
		return epoll_create1(EPOLL_CLOEXEC);
	case 11:
		return eventfd(1, EFD_CLOEXEC);
	case 12:
		return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	case 13:
		return (int)syscall(SYS_memfd_secret, 0);
	case 14:
		return memfd_create("evil", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	default:
		return CHANNEL_FD;
	}
}

/* Payloads of everything that has a descriptor. */
static void payloads(void)
{
	struct frame f;
	int fd = odd_descriptor((unsigned)(some() % 16));

	ready();
	f = await_poll();
	send_frame(&(struct frame){ .type = FRAME_COURIER_ORDERS, .id = f.id, .b = 1, .size = 6 },
		&fd, fd >= 0);
	(void)await_poll();
}

/* What is sealed stays as it was, and most of it was never written. */
static void holes(void)
{
	struct packed p = {};
	struct frame f;
	int fd = memfd(NULL, FRAME_PAYLOAD_MAX, 0);
	void *map;

	pack(&p, "{}", 2);
	(void)!pwrite(fd, p.bytes, p.size, 0);
	(void)!fcntl(fd, F_ADD_SEALS, SEALS);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say(map == MAP_FAILED && ftruncate(fd, 0) < 0 && pwrite(fd, "x", 1, 0) < 0 ? "sealed\n"
										   : "open\n");
	ready();
	for (;;) {
		f = await_poll();
		send_frame(&(struct frame){ .type = FRAME_COURIER_ORDERS,
				   .id = f.id,
				   .b = 1,
				   .size = FRAME_PAYLOAD_MAX },
			&fd, 1);
	}
}

static void descriptors(void)
{
	static const size_t counts[] = { 1, 2, 3, 7, 8, 9, 10, FDS_MAX };
	int fds[FDS_MAX], one = memfd("{}    ", 6, SEALS);
	size_t n = counts[some() % countof(counts)];
	struct frame f;

	for (size_t i = 0; i < FDS_MAX; i++)
		fds[i] = one;
	if (some() % 2) {
		ready();
		f = await_poll();
		send_frame(
			&(struct frame){
				.type = FRAME_COURIER_ORDERS, .id = f.id, .b = 1, .size = 6 },
			fds, n);
	}
	for (;;)
		send_frame(&(struct frame){ .type = FRAME_COURIER_READY }, fds, n);
}

/* As many of what it has as there is room for, at once, whenever it is asked. */
static void flood(void)
{
	struct packed p = {};

	for (size_t i = 0; i < ORDERS_MAX; i++)
		pack(&p, material.text[i % material.n], material.size[i % material.n]);
	ready();
	for (;;) {
		struct frame f = await_poll();

		orders(&f, &p);
	}
}

/* Signatures that have to be looked at, over as much as there may be. */
static void heavy(void)
{
	_cleanup_(freep) char *text = xcalloc(1, ENVELOPE_MAX + 1);
	struct packed p = {};
	int head, body = (int)ENVELOPE_MAX - 1500;

	head = snprintf(text, ENVELOPE_MAX,
		"{\"payloadType\":\"application/vnd.hoody.order+json\",\"signatures\":[");
	for (int i = 0; i < SIGNATURES; i++)
		head += snprintf(text + head, ENVELOPE_MAX - (size_t)head,
			"%s{\"keyid\":\"v1\",\"sig\":"
			"\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBA"
			"QEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==\"}",
			i ? "," : "");
	head += snprintf(text + head, ENVELOPE_MAX - (size_t)head, "],\"payload\":\"");
	memset(text + head, 'A', (size_t)body / 4 * 4);
	strcpy(text + head + body / 4 * 4, "\"}");
	for (size_t i = 0; i < HEAVY; i++)
		pack(&p, text, strlen(text));
	ready();
	for (;;) {
		struct frame f = await_poll();

		orders(&f, &p);
		say("answered\n");
	}
}

static void deep(void)
{
	_cleanup_(freep) char *text = xcalloc(1, ENVELOPE_MAX + 1);
	struct packed p = {};

	memset(text, '[', ENVELOPE_MAX);
	pack(&p, text, ENVELOPE_MAX);
	memset(text, '1', ENVELOPE_MAX);
	pack(&p, text, ENVELOPE_MAX);
	for (size_t i = 2; i < ENVELOPE_MAX; i += 2)
		text[i] = ','; /* a list of half a million */
	text[0] = '[';
	pack(&p, text, ENVELOPE_MAX);
	ready();
	for (;;) {
		struct frame f = await_poll();

		orders(&f, &p);
	}
}

/* Answers everything at once, with nothing. */
static void hurry(void)
{
	ready();
	for (;;) {
		struct frame f = await(FRAME_COURIER_POLL, FRAME_COURIER_DELIVER);

		say(f.type == FRAME_COURIER_POLL ? "poll\n" : "deliver\n");
		answer(&(struct frame){ .type = f.type == FRAME_COURIER_POLL ? FRAME_COURIER_ORDERS
									     : FRAME_COURIER_ACKED,
			       .id = f.id,
			       .a = f.type == FRAME_COURIER_POLL ? f.a : 0 },
			NULL, 0);
	}
}

/* Orders that it says there are, and gives none of. */
static void withheld(void)
{
	ready();
	for (uint64_t n = 0;; n++) {
		struct frame f = await_poll();

		answer(&(struct frame){ .type = FRAME_COURIER_ORDERS,
			       .id = f.id,
			       .a = n % 2 ? IDENT_SEQ_MAX : 0 },
			NULL, 0);
	}
}

/* Reports that it says to have delivered. */
static void acknowledge(void)
{
	ready();
	for (uint64_t n = 0;; n++) {
		struct frame f = await(FRAME_COURIER_DELIVER, FRAME_COURIER_DELIVER);

		answer(&(struct frame){ .type = FRAME_COURIER_ACKED,
			       .id = f.id,
			       .a = n % 2 ? UINT64_MAX : n % 3 },
			NULL, 0);
	}
}

/* The seq of the last report in a batch, which is for everybody to read. */
static uint64_t last_seq(const char *envelope)
{
	static const char key[] = "\"payload\":\"", seq[] = "{\"seq\":";
	const char *at = strstr(envelope, key);
	size_t length = at ? strcspn(at + strlen(key), "\"") : 0, size = 0;
	_cleanup_(freep) uint8_t *text = NULL;
	const char *p = NULL;

	if (!at || encoding_unbase64(at + strlen(key), length, &text, &size) < 0)
		exit(6);
	for (size_t i = 0; i + strlen(seq) < size; i++)
		if (memcmp(text + i, seq, strlen(seq)) == 0)
			p = (const char *)text + i + strlen(seq);
	return p ? strtoull(p, NULL, 10) : 0;
}

/* Every batch, as if it had arrived. */
static void swallow(void)
{
	ready();
	for (;;) {
		_cleanup_(freep) void *payload = NULL;
		_cleanup_(closep) int fd = -1;
		struct frame f;

		if (chanio_recv_sync(CHANNEL_FD, -1, &f, &payload, &fd) < 0)
			exit(0);
		if (f.type != FRAME_COURIER_DELIVER)
			continue;
		say("swallowed\n");
		answer(
			&(struct frame){
				.type = FRAME_COURIER_ACKED, .id = f.id, .a = last_seq(payload) },
			NULL, 0);
	}
}

static void failing(void)
{
	ready();
	for (uint64_t n = 0;; n++) {
		struct frame f = await(FRAME_COURIER_POLL, FRAME_COURIER_DELIVER);

		answer(&(struct frame){ .type = FRAME_COURIER_FAILED,
			       .id = f.id,
			       .a = n % 1000,
			       .b = n % 2 ? UINT64_MAX : 0,
			       .c = 1 + n % (FRAME_FAIL_COUNT - 1) },
			NULL, 0);
	}
}

static void deaf(void)
{
	ready();
	for (;;)
		(void)pause();
}

static void never_ready(void)
{
	for (;;)
		(void)pause();
}

static void mute(void)
{
	ready();
	(void)await(FRAME_NONE, FRAME_NONE);
}

static void half_open(void)
{
	ready();
	(void)shutdown(CHANNEL_FD, some() % 2 ? SHUT_WR : SHUT_RD);
	for (;;)
		(void)pause();
}

/* Dies, and leaves somebody with its channel. */
static void heir(void)
{
	ready();
	if (fork() == 0) {
		(void)alarm(20);
		for (;;)
			(void)pause();
	}
}

/* A connection whose last close(2) waits for a peer that never reads (socket(7), SO_LINGER):
 * whoever is given it, closes it. From within the courier's own confinement; a server that never
 * reads listens at "port". */
static void linger(void)
{
	const struct linger l = { .l_onoff = 1, .l_linger = LINGER_S };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_(freep) char *path = xasprintf("%s/port", place), *port = NULL;
	static const char chunk[65536];
	struct err err = {};
	size_t size;
	int fd, r;

	port = slurp(path, &size);
	a.sin_port = htons((uint16_t)atoi(port));
	if (sandbox_enter(SANDBOX_CLIENT,
		    &(struct sandbox_who){ .id = LEAFID_BASE(LEAFID_COURIER) }, &err) < 0)
		exit(4);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		exit(5);
	r = setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	say(r < 0 ? "refused\n" : "lingers\n");
	while (send(fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		;
	ready();
	send_frame(&(struct frame){ .type = FRAME_COURIER_READY }, &fd, 1);
	closefd(fd);
	(void)await_poll();
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "die", die },
	{ "die-ready", die_ready },
	{ "garbage", garbage },
	{ "headers", headers },
	{ "out-of-turn", out_of_turn },
	{ "lies", lies },
	{ "payloads", payloads },
	{ "holes", holes },
	{ "descriptors", descriptors },
	{ "flood", flood },
	{ "heavy", heavy },
	{ "deep", deep },
	{ "hurry", hurry },
	{ "withheld", withheld },
	{ "acknowledge", acknowledge },
	{ "swallow", swallow },
	{ "failing", failing },
	{ "deaf", deaf },
	{ "never-ready", never_ready },
	{ "mute", mute },
	{ "half-open", half_open },
	{ "heir", heir },
	{ "linger", linger },
};

int main(void)
{
	_cleanup_(freep) char *path = NULL, *mode = NULL;
	ssize_t n = readlink("/proc/self/exe", place, sizeof(place) - 1);
	char *slash = n > 0 ? strrchr(place, '/') : NULL;
	size_t size;

	if (!slash)
		return 2;
	*slash = '\0';
	(void)signal(SIGPIPE, SIG_IGN);
	path = xasprintf("%s/evil", place);
	mode = slurp(path, &size);
	free(path);
	path = xasprintf("%s/said", place);
	said = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	say("began\n");
	gather();
	if (strcmp(mode, "linger") != 0 &&
		(setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return 2;
	/* A user's descriptors under way are counted against the limit of who sends (unix(7)): with
	 * the courier's own, it can't use up what the portal needs. */
	(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ OWN_FILES, OWN_FILES });
	for (size_t i = 0; i < countof(modes); i++)
		if (strcmp(modes[i].name, mode) == 0)
			modes[i].run();
	return 0;
}
