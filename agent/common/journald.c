/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One log line: an entry of fields, sent to the journal in its native protocol when standard
 * error is the journal's, else one line on standard error. The fields are put in the order in
 * which they count, since what has no room is left out; control characters are made harmless
 * where a line could be forged by them.
 *
 * It never waits (agent/common/outlet.h): a line that nobody has room for is lost, counted, and
 * the next one that goes out says how many were. The state is one per process: where to, from
 * which priority on, under which name. The limit at the end is a bucket for lines that strangers
 * can cause; its owner keeps it and says what was dropped. */
#include "agent/common/journald.h"

#include <endian.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "agent/common/outlet.h"

#define MESSAGE_MAX  2048
#define ENTRY_MAX    6144 /* all fields of one entry */
#define ENTRY_FIELDS 24
#define STDERR_MAX   4096 /* PIPE_BUF: what is longer may reach a pipe in pieces */
#define JOURNAL      "/run/systemd/journal/socket"

static const struct {
	const char *hex, *name, *subject, *text;
} catalog[] = {
#define X(name, id, subject, text) [JOURNALD_##name] = { id, #name, subject, text },
#include "agent/common/journald.def"
#undef X
};
static_assert(countof(catalog) == JOURNALD_COUNT, "every id has its row");

static struct {
	bool to_journal;
	int max_priority;
	const char *identifier;
	uint64_t lost; /* lines that nobody had room for, since the last one that went out */
} log_to = { .max_priority = LOG_INFO, .identifier = "hoody" };

/* JOURNAL_STREAM is "device:inode" of the stream that the service manager gave us
 * (systemd.exec(5)); stderr may since have been pointed elsewhere. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void journald_init(const char *identifier, int max_priority)
{
	log_to.identifier = identifier;
	log_to.max_priority = max_priority;
	log_to.to_journal = stderr_is_journal();
}

/* --- one entry --- */

struct entry {
	struct iovec fields[ENTRY_FIELDS];
	int n_fields;
	char text[ENTRY_MAX];
	size_t used;
};

/* A field that has no room is left out; the first ones are those that count. */
static void put(struct entry *e, const char *fmt, ...) _printf_(2, 3);
static void put(struct entry *e, const char *fmt, ...)
{
	size_t room = sizeof(e->text) - e->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(e->text + e->used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || e->n_fields >= ENTRY_FIELDS)
		return;
	e->fields[e->n_fields++] = (struct iovec){ e->text + e->used, (size_t)n };
	e->used += (size_t)n + 1;
}

static void put_text(struct entry *e, const char *name, const char *value)
{
	if (value && *value)
		put(e, "%s=%s", name, value);
}

static int errnum_of(const struct journald_fields *f)
{
	return f->err ? f->err->errnum : f->errnum;
}

static const char *code_of(const struct journald_fields *f)
{
	return err_wire(f->err ? f->err->code : f->code);
}

/* Ours, in the order in which a reader of stderr wants them. */
static void put_fields(struct entry *e, const struct journald_fields *f)
{
	put_text(e, "HOODY_ORDER_ID", f->order_id);
	if (f->seq)
		put(e, "HOODY_SEQ=%lld", (long long)f->seq);
	put_text(e, "HOODY_OP", f->op);
	put_text(e, "HOODY_OPERATION_ID", f->operation_id);
	put_text(e, "HOODY_STEP", f->step);
	put_text(e, "HOODY_PROJECT_ID", f->project_id);
	put_text(e, "HOODY_CONTAINER_ID", f->container_id);
	put_text(e, "HOODY_CODE", code_of(f));
	put_text(e, "HOODY_ORIGIN", f->origin);
	if (f->duration_ms)
		put(e, "HOODY_DURATION_MS=%lld", (long long)*f->duration_ms);
	if (f->dropped)
		put(e, "HOODY_DROPPED=%llu", (unsigned long long)f->dropped);
	if (errnum_of(f))
		put(e, "ERRNO=%d", errnum_of(f));
}

/* "HOODY_ORDER_ID=x" -> "order_id=x" */
static size_t print_short(char *ret, size_t size, const char *field)
{
	size_t prefix = strncmp(field, "HOODY_", 6) == 0 ? 6 : 0;
	size_t n = 0;
	bool name = true;

	for (const char *c = field + prefix; *c && n + 1 < size; c++) {
		if (*c == '=')
			name = false;
		ret[n++] = (char)(name && *c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
	}
	ret[n] = '\0';
	return n;
}

/* Of what was lost nothing else is left; said with the first line that goes out. */
static size_t print_lost(char *ret, size_t size)
{
	return log_to.lost ? (size_t)snprintf(ret, size,
				     "%s: warning: %llu lines were lost: the log was not read\n",
				     log_to.identifier, (unsigned long long)log_to.lost)
			   : 0;
}

static void count(int r)
{
	log_to.lost = r < 0 ? log_to.lost + 1 : 0;
}

static void to_stderr(int priority, const char *message, const struct journald_fields *f)
{
	static const char *const levels[] = { "emergency", "alert", "critical", "error", "warning",
		"notice", "info", "debug" };
	struct entry e = { .n_fields = 0 };
	char line[STDERR_MAX];
	size_t lost = print_lost(line, sizeof(line)), n;

	n = lost + (size_t)snprintf(line + lost, sizeof(line) - lost, "%s: %s: %s",
			   log_to.identifier, levels[priority & LOG_PRIMASK], message);
	n = MIN_OF(n, sizeof(line) - 1);
	if (f)
		put_fields(&e, f);
	for (int i = 0; i < e.n_fields && n + 5 < sizeof(line); i++) {
		line[n++] = ' ';
		if (i == 0)
			line[n++] = '[';
		n += print_short(line + n, sizeof(line) - n - 3, e.fields[i].iov_base);
	}
	if (e.n_fields && n + 2 < sizeof(line))
		line[n++] = ']';
	line[n] = '\0';
	err_clean(line + lost); /* nothing that was logged may forge a line or drive a terminal */
	line[n++] = '\n';
	count(outlet_line(line, n));
}

/* systemd.io/JOURNAL_NATIVE_PROTOCOL: "NAME=value\n", and where the value has lines of its own
 * "NAME\n", its size in 64 bits, it, "\n". */
static size_t put_native(char *to, const struct iovec *field)
{
	const char *text = field->iov_base, *value = strchr(text, '=') + 1;
	const size_t name = (size_t)(value - text - 1), size = field->iov_len - name - 1;
	const uint64_t wire = htole64(size);
	char *at = to;

	at = mempcpy(at, text, name);
	if (memchr(value, '\n', size)) {
		*at++ = '\n';
		at = mempcpy(at, &wire, sizeof(wire));
	} else {
		*at++ = '=';
	}
	at = mempcpy(at, value, size);
	*at++ = '\n';
	return (size_t)(at - to);
}

/* False: there is no journal. What it has no room for is lost, and counted. */
static bool to_journal(const struct entry *e)
{
	char text[ENTRY_MAX + ENTRY_FIELDS * sizeof(uint64_t)];
	struct iovec all = { text, 0 };
	int r;

	for (int i = 0; i < e->n_fields; i++)
		all.iov_len += put_native(text + all.iov_len, &e->fields[i]);
	r = outlet_datagram(JOURNAL, &all, 1);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return false;
	count(r);
	return true;
}

void journald_log(const char *file, int line, const char *func, int priority, enum journald_id id,
	const struct journald_fields *f, const char *fmt, ...)
{
	struct entry e = { .n_fields = 0 };
	char message[MESSAGE_MAX];
	va_list ap;

	if (LOG_PRI(priority) > log_to.max_priority)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (log_to.to_journal) {
		if (log_to.lost)
			put(&e, "MESSAGE=%s (%llu lines before it were lost: the log was not read)",
				message, (unsigned long long)log_to.lost);
		else
			put(&e, "MESSAGE=%s", message);
		put(&e, "PRIORITY=%d", LOG_PRI(priority));
		put(&e, "MESSAGE_ID=%s", catalog[id].hex);
		put(&e, "SYSLOG_IDENTIFIER=%s", log_to.identifier);
		if (f)
			put_fields(&e, f);
		put(&e, "CODE_FILE=%s", file);
		put(&e, "CODE_LINE=%d", line);
		put(&e, "CODE_FUNC=%s", func);
		if (to_journal(&e))
			return;
	}
	to_stderr(LOG_PRI(priority), message, f);
}

/* --- limits --- */

bool journald_limit_pass(struct journald_limit *l, int64_t now_ms, uint64_t *ret_dropped)
{
	int64_t back;

	assert(l->burst > 0 && l->interval_ms > 0);
	if (l->used == 0 || now_ms < l->since_ms)
		l->since_ms = now_ms; /* full, or the clock was set back */
	back = (now_ms - l->since_ms) / l->interval_ms;
	l->since_ms += back * l->interval_ms;
	l->used = back >= l->used ? 0 : l->used - (uint32_t)back;
	if (l->used >= l->burst) {
		l->dropped++;
		return false;
	}
	if (l->used == 0)
		l->since_ms = now_ms;
	l->used++;
	*ret_dropped = l->dropped;
	l->dropped = 0;
	return true;
}

/* --- the catalog --- */

void journald_print_catalog(FILE *f)
{
	fprintf(f, "# Made from agent/common/journald.def by hoodyctl config --catalog.\n");
	for (size_t i = 0; i < countof(catalog); i++)
		fprintf(f, "\n-- %s\nSubject: %s\nDefined-By: hoody-agent\n\n%s\n", catalog[i].hex,
			catalog[i].subject, catalog[i].text);
}
