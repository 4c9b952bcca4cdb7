/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The jobs on images: find one by name at an image server, download, unpack, verify, remove. A
 * download is made by a courier of its own (agent/courier/fetch.h), whose bytes are hashed as
 * they come out of a pipe: it can write nothing anywhere, and say nothing that is believed but
 * that more would come.
 *
 * The spool in the pool keeps what has come, also over this worker's death: its bytes are hashed
 * again, and the next attempt asks for the rest. Attempts go on while bytes come; ATTEMPTS_MAX
 * in a row without any, or an answer that will not change, end it. What has the digest that was
 * ordered is good, whatever else was said; a document without one (an index) is believed for
 * where it came from. Trees are storage/imagestore.h's matter. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/common/spawn.h"
#include "agent/worker/worker_act.h"
#include "agent/worker/worker_job.h"
#include "proto/chanio.h"
#include "proto/jsonx.h"
#include "proto/leafid.h"
#include "storage/imagestore.h"
#include "storage/streams.h"

#define BUFFER          (256UL * 1024)
#define ATTEMPTS_MAX    6 /* in a row, without a byte between */
#define BACKOFF_MS      500
#define ANSWER_WAIT_MS  10000
#define RETRY_AFTER_MAX 60000
#define DOCUMENT_MAX    (64UL * 1024 * 1024)
#define PROGRESS_EVERY  (4UL * 1024 * 1024)

struct download {
	const struct job *job;
	const char *url, *run; /* the latter as spawn_leaf has it */
	const char *digest;    /* NULL: what comes is believed for where it comes from (TLS) */
	uint64_t size;         /* as ordered; 0: not said */
	uint64_t max;
	int spool;
	uint64_t have, told;
	crypto_hash_sha256_state hash;
	struct frame answer;
	bool done;
};

static const char *text(const struct job *j, const char *key)
{
	return json_string_value(json_object_get(j->params, key));
}

static uint64_t number(const struct job *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j->params, key));
}

/* --- what is there already --- */

static void tell_progress(struct download *d, bool always)
{
	struct frame f = { .type = FRAME_WORKER_PROGRESS,
		.a = d->size ? MIN_OF(d->have * 100 / d->size, 100) : ~0ULL,
		.b = d->have,
		.c = d->size };

	if (!always && d->have - d->told < PROGRESS_EVERY)
		return;
	d->told = d->have;
	if (chanio_send_sync(WORKER_JOB_FD, &f, NULL, 0, -1) < 0)
		return; /* the agent is gone, and so are we in a moment */
}

static int hash_spool(struct download *d)
{
	_cleanup_(freep) uint8_t *buffer = xcalloc(1, BUFFER);
	ssize_t n;

	d->have = 0;
	(void)crypto_hash_sha256_init(&d->hash);
	if (lseek(d->spool, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = read(d->spool, buffer, BUFFER)) > 0) {
		(void)crypto_hash_sha256_update(&d->hash, buffer, (size_t)n);
		d->have += (uint64_t)n;
	}
	return n < 0 ? -errno : 0;
}

static int begin_again(struct download *d)
{
	if (ftruncate(d->spool, 0) < 0)
		return -errno;
	return hash_spool(d);
}

static bool is_good(struct download *d)
{
	crypto_hash_sha256_state end = d->hash;
	uint8_t digest[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(digest) + 1];

	if (!d->digest)
		return d->done;
	(void)crypto_hash_sha256_final(&end, digest);
	(void)sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	return strcmp(hex, d->digest) == 0;
}

/* --- one attempt --- */

static int keep(struct download *d, const uint8_t *data, size_t size)
{
	int r = write_all(d->spool, data, size);

	if (r < 0)
		return r;
	(void)crypto_hash_sha256_update(&d->hash, data, size);
	d->have += size;
	return 0;
}

static int receive(struct download *d, int from)
{
	_cleanup_(freep) uint8_t *buffer = xcalloc(1, BUFFER);
	ssize_t n;

	while ((n = read(from, buffer, BUFFER)) != 0) {
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || d->have + (uint64_t)n > d->max)
			return n < 0 ? -errno : -EFBIG;
		r = keep(d, buffer, (size_t)n);
		if (r < 0)
			return r;
		tell_progress(d, false);
	}
	return 0;
}

static int send_wish(struct download *d, int channel, int pipe)
{
	_cleanup_json_ json_t *wish = jsonx_pack("{s:s, s:I, s:I, s:s*}", "url", d->url, "offset",
		(json_int_t)d->have, "max", (json_int_t)d->max, "ca_pem", text(d->job, "ca_pem"));
	_cleanup_(freep) char *payload = jsonx_dump(wish);

	return chanio_send_sync(channel, &(struct frame){ .type = FRAME_FETCH_WISH }, payload,
		strlen(payload), pipe);
}

/* Its answer stands in d->answer; one that says nothing sensible has failed. */
static int attempt(struct download *d)
{
	_cleanup_(closep) int channel = -1, out = -1, in = -1, extra = -1;
	_cleanup_(freep) void *payload = NULL;
	int pipe[2], r;
	pid_t pid;

	d->answer = (struct frame){ .type = FRAME_FETCH_FAILED, .c = FRAME_FAIL_CONNECT };
	if (pipe2(pipe, O_CLOEXEC) < 0)
		return -errno;
	out = pipe[0];
	in = pipe[1];
	r = spawn_leaf(d->run, "hoody-courier", leafid_of(LEAFID_DOWNLOAD, LEAFID_WHOSE(getpid())),
		&channel, &pid);
	if (r < 0)
		return r;
	r = send_wish(d, channel, in);
	in = closefd(in);
	if (r >= 0)
		r = receive(d, out);
	if (r >= 0 && chanio_recv_sync(channel, ANSWER_WAIT_MS, &d->answer, &payload, &extra) < 0)
		d->answer.type = FRAME_FETCH_FAILED;
	/* Not yet waited for: the pid is its own. A unit ends with its channel. */
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		(void)waitpid(pid, NULL, 0);
	return r;
}

/* --- until it is here --- */

/* The server knows no ranges, or the offset lies behind its end. */
static bool must_begin_again(const struct frame *f)
{
	return f->c == FRAME_FAIL_BODY || f->a == 416;
}

static bool is_final(const struct frame *f)
{
	return f->c == FRAME_FAIL_TLS || (f->c == FRAME_FAIL_HTTP && f->a >= 400 && f->a < 500 &&
						 f->a != 408 && f->a != 416 && f->a != 429);
}

static int give_up(const struct download *d, struct err *err)
{
	if (d->answer.a == 413 && d->answer.c == FRAME_FAIL_BODY)
		return err_set(err, -EFBIG, ERR_IMAGE_INVALID, "size",
			"the image is larger than it may be (%llu bytes)",
			(unsigned long long)d->max);
	return err_set(err, -EIO, ERR_IMAGE_NOT_FOUND, "url",
		"the image can't be had: %s (HTTP status %llu)",
		d->answer.c == FRAME_FAIL_TLS       ? "the server could not be authenticated"
		: d->answer.c == FRAME_FAIL_HTTP    ? "the server refuses"
		: d->answer.c == FRAME_FAIL_TIMEOUT ? "no answer in time"
						    : "no connection, or it broke off",
		(unsigned long long)d->answer.a);
}

static int fetch(struct download *d, struct err *err)
{
	unsigned failures = 0;
	int r = hash_spool(d);
	uint64_t best = d->have;

	while (r >= 0 && !is_good(d)) {
		uint64_t wait_ms;

		r = attempt(d);
		if (r == -EFBIG) {
			d->answer = (struct frame){ .a = 413, .c = FRAME_FAIL_BODY };
			return give_up(d, err);
		}
		d->done = r >= 0 && d->answer.type == FRAME_FETCH_DONE;
		if (r < 0 || d->done)
			break;
		failures = d->have > best ? 1 : failures + 1;
		best = MAX_OF(best, d->have);
		if (d->answer.a == 413 || is_final(&d->answer) || failures >= ATTEMPTS_MAX)
			return give_up(d, err);
		if (must_begin_again(&d->answer) && d->have > 0)
			r = begin_again(d);
		wait_ms = MAX_OF(d->answer.b, (uint64_t)BACKOFF_MS << MIN_OF(failures, 6u));
		(void)poll(NULL, 0, (int)MIN_OF(wait_ms, (uint64_t)RETRY_AFTER_MAX));
	}
	if (r < 0)
		return err_set(err, r, r == -ENOSPC ? ERR_DISK_FULL : ERR_INTERNAL, "Storage.Pool",
			"the download can't be kept: %s", strerror(-r));
	if (!is_good(d))
		return err_set(err, -EBADMSG, ERR_IMAGE_CHECKSUM_MISMATCH, "sha256",
			"what was downloaded has another checksum than the one ordered");
	return 0;
}

int worker_image_fetch(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	struct download d = { .job = j,
		.url = text(j, "url"),
		.digest = text(j, "digest"),
		.run = text(j, "run"),
		.size = number(j, "size"),
		.max = number(j, "size") ? number(j, "size") : number(j, "max_bytes"),
		.spool = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0 && sodium_init() < 0)
		r = err_set(err, -EIO, ERR_INTERNAL, NULL, "libsodium does not start");
	if (r >= 0)
		r = d.spool = imagestore_spool(&pool, d.digest, err);
	if (r >= 0)
		r = fetch(&d, err);
	if (r >= 0)
		tell_progress(&d, true);
	closefd(d.spool);
	return r;
}

/* --- from a name to an archive --- */

static int fetch_document(struct job *j, const char *path, json_t **ret, struct err *err)
{
	_cleanup_(freep) char *url = xasprintf("%s/%s", text(j, "server"), path), *data = NULL;
	_cleanup_(closep) int fd = memfd_create("hoody-document", MFD_CLOEXEC);
	struct download d = {
		.job = j, .url = url, .run = text(j, "run"), .max = DOCUMENT_MAX, .spool = fd
	};
	int r = fd < 0 ? err_set(err, -errno, ERR_INTERNAL, NULL, "no memory for a document")
		       : fetch(&d, err);

	if (r < 0)
		return r;
	data = xcalloc(1, d.have + 1);
	if (pread(fd, data, d.have, 0) != (ssize_t)d.have)
		return err_set(err, -EIO, ERR_INTERNAL, NULL, "a document can't be read again");
	*ret = json_loadb(data, d.have, JSON_REJECT_DUPLICATES, NULL);
	return *ret ? 0
		    : err_set(err, -EBADMSG, ERR_IMAGE_NOT_FOUND, "url",
			      "%s is no index of an image server", url);
}

int worker_image_resolve(struct job *j, struct err *err)
{
	_cleanup_json_ json_t *index = NULL, *images = NULL;
	struct streams_item item;
	const char *path;
	int r = sodium_init() < 0 ? -EIO : fetch_document(j, "streams/v1/index.json", &index, err);

	if (r < 0)
		return r;
	path = streams_images_path(index);
	if (!path)
		return err_set(err, -ENOENT, ERR_IMAGE_NOT_FOUND, "url",
			"the image server's index lists no images");
	r = fetch_document(j, path, &images, err);
	if (r >= 0)
		r = streams_find(images, text(j, "name"), text(j, "architecture"), &item, err);
	if (r < 0)
		return r;
	j->result = jsonx_pack("{s:o, s:s, s:I}", "url",
		json_sprintf("%s/%s", text(j, "server"), item.path), "sha256", item.sha256, "size",
		(json_int_t)item.size);
	return 0;
}

int worker_image_drop(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	return r < 0 ? r : imagestore_drop_spool(&pool, text(j, "digest"), err);
}

/* --- unpacking, removing --- */

/* What the image holds. */
static void say(struct job *j, struct pool *p, const char *digest)
{
	char signal[IMAGESTORE_SIGNAL_SIZE];

	imagestore_stop_signal(p, digest, signal);
	j->result = jsonx_pack("{s:I, s:s}", "size", (json_int_t)imagestore_size(p, digest),
		"stop_signal", signal);
}

int worker_image_unpack(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	_cleanup_(freep) char *program = spawn_find("hoody-unpack");
	const struct imagestore_limits limits = { number(j, "max_bytes"), number(j, "max_files"),
		program, json_is_true(json_object_get(j->params, "replace")) };
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = imagestore_unpack(&pool, text(j, "digest"), &limits, err);
	if (r >= 0)
		say(j, &pool, text(j, "digest"));
	return r;
}

/* What a name means stays, also when it could not be replaced. */
int worker_image_forget(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = imagestore_abandon(&pool, text(j, "digest"), err);
	if (r >= 0 && !json_is_true(json_object_get(j->params, "known")))
		r = imagestore_remove(&pool, text(j, "digest"), err);
	return r;
}

int worker_image_verify(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	bool intact = false;
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = imagestore_verify(&pool, text(j, "digest"), &intact, err);
	if (r >= 0)
		j->result = jsonx_pack("{s:b}", "intact", intact);
	return r;
}

int worker_image_remove(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = imagestore_remove(&pool, text(j, "digest"), err);
	if (r >= 0 && text(j, "of"))
		say(j, &pool, text(j, "of"));
	return r;
}
