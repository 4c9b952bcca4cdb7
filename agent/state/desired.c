/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The containers that should be, in memory, sorted by id, and as rows of a table. Both change
 * together: each function writes the row in the transaction that is open, which the engine
 * commits before it acts. Containers are owned here; their `watch` is agent/host/ctwatch.c's,
 * and must be gone before they are.
 *
 * With a container go a slot, which is its range of user ids, the lowest that is free; an IPv4
 * address, the one after the newest container's, and so on around, so that who had an address
 * lately is not taken for another, and none that the host itself has; and a number that its
 * project's containers share, which is not stored. Slots and addresses are free when the container
 * is removed.
 *
 * A row that can't be read is an error of the whole: no container is forgotten in silence. */
#include "agent/state/desired.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "proto/jsonx.h"
#include "proto/leafid.h"

#define CONTAINERS_MAX 16384
#define NEXT_ADDRESS   "next_address" /* meta: where the next container's is looked for */

struct desired {
	struct store *store;
	struct desired_ranges ranges;
	uint32_t next_address;
	int64_t newest_ms;
	size_t n, allocated;
	struct container **at; /* sorted by id */
	void (*changed)(void *userdata);
	void *userdata;
};

static const char *const status_names[] = {
	[CT_NONE] = "",
	[CT_CREATING] = "creating",
	[CT_RUNNING] = "running",
	[CT_PAUSED] = "paused",
	[CT_STOPPED] = "stopped",
	[CT_FAILED] = "failed",
	[CT_DELETED] = "deleted",
	[CT_COPYING] = "copying",
	[CT_DELETING] = "deleting",
};
static_assert(countof(status_names) == CT_STATUS_COUNT, "every status has its name");

const char *desired_status_name(enum ct_status status)
{
	return status_names[status];
}

enum ct_status desired_status_find(const char *name)
{
	for (size_t i = CT_NONE + 1; i < countof(status_names); i++)
		if (strcmp(status_names[i], name) == 0)
			return (enum ct_status)i;
	return CT_NONE;
}

static int by_id(const void *item, const void *id)
{
	return strcmp((*(struct container *const *)item)->spec.id, id);
}

static size_t lower_bound(const struct desired *d, const char *id)
{
	return sorted_place(d->at, d->n, sizeof(*d->at), id, by_id);
}

static void insert(struct desired *d, struct container *c)
{
	size_t i = lower_bound(d, c->spec.id);

	if (d->n == d->allocated) {
		d->allocated = d->allocated ? d->allocated * 2 : 16;
		d->at = xrealloc(d->at, d->allocated, sizeof(*d->at));
	}
	memmove(d->at + i + 1, d->at + i, (d->n - i) * sizeof(*d->at));
	d->at[i] = c;
	d->n++;
}

/* Its project's others have it, or it is the next that nobody has. */
static uint32_t number_project(const struct desired *d, const char *project_id)
{
	uint32_t highest = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (strcmp(d->at[i]->spec.project_id, project_id) == 0)
			return d->at[i]->project;
		highest = MAX_OF(highest, d->at[i]->project);
	}
	return highest + 1;
}

static bool has_address(const struct desired *d, uint32_t address)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->at[i]->spec.ipv4 == address)
			return true;
	return false;
}

/* One of the host's own would get no packet in or out. Whom a socket would speak to by the same
 * address is this host; nothing is sent, and no lock of the links is waited for. */
static bool is_of_host(uint32_t address)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(address)
	};
	struct sockaddr_in from = {};
	socklen_t size = sizeof(from);

	return fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
	       getsockname(fd, (struct sockaddr *)&from, &size) == 0 &&
	       from.sin_addr.s_addr == to.sin_addr.s_addr;
}

/* The one after the newest container's, and so on around. */
static int free_address(struct desired *d, uint32_t *ret)
{
	const struct desired_ranges *r = &d->ranges;

	for (uint64_t i = 0; i <= (uint64_t)r->last_address - r->first_address; i++) {
		uint32_t address = d->next_address;

		d->next_address = address >= r->last_address ? r->first_address : address + 1;
		if (!has_address(d, address) && !is_of_host(address)) {
			*ret = address;
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

static int read_container(struct desired *d, struct store_stmt *q, struct err *err)
{
	_cleanup_json_ json_t *spec = json_loads(store_text(q, 0), 0, NULL);
	struct container *c = xcalloc(1, sizeof(*c));
	size_t size;
	const void *digest = store_blob(q, 3, &size);
	int r = ctspec_from_json(spec, &c->spec, err);

	if (r < 0 || size != sizeof(c->params_digest) || store_int(q, 2) < 0 ||
		store_int(q, 2) >= CONTAINERS_MAX) {
		free(c);
		return r < 0 ? r
			     : err_set(err, -EUCLEAN, ERR_STATE_CORRUPT, "containers",
				       "a container's row is damaged");
	}
	memcpy(c->params_digest, digest, size);
	c->status = desired_status_find(store_text(q, 1));
	c->id_slot = (uint32_t)store_int(q, 2);
	c->created_ms = store_int(q, 4);
	c->changed_ms = store_int(q, 5);
	c->project = number_project(d, c->spec.project_id);
	insert(d, c);
	if (c->spec.ipv4 >= d->ranges.first_address && c->spec.ipv4 < d->ranges.last_address &&
		c->created_ms >= d->newest_ms) {
		d->newest_ms = c->created_ms;
		d->next_address = c->spec.ipv4 + 1;
	}
	return 0;
}

/* Where it was, whichever containers are gone since: who had an address a moment ago is still
 * spoken to. */
static void go_on_with_addresses(struct desired *d)
{
	_cleanup_(freep) char *value = NULL;
	uint32_t address;
	size_t size;

	store_must(store_meta_get(d->store, NEXT_ADDRESS, &value, &size));
	if (size != sizeof(address))
		return; /* none yet */
	memcpy(&address, value, sizeof(address));
	if (address >= d->ranges.first_address && address <= d->ranges.last_address)
		d->next_address = address;
}

int desired_open(
	struct store *s, const struct desired_ranges *ranges, struct desired **ret, struct err *err)
{
	struct desired *d = xcalloc(1, sizeof(*d));
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT spec, status, id_slot, params_digest, created_ms, changed_ms FROM "
		"containers ORDER BY id",
		"");
	int r;

	d->store = s;
	d->ranges = *ranges;
	d->next_address = ranges->first_address;
	while ((r = store_step(q)) > 0) {
		r = read_container(d, q, err);
		if (r < 0) {
			desired_close(d);
			return err_add(err, r, "the wanted state");
		}
	}
	store_must(r);
	go_on_with_addresses(d);
	*ret = d;
	return 0;
}

struct desired *desired_close(struct desired *d)
{
	if (d) {
		for (size_t i = 0; i < d->n; i++) {
			assert(!d->at[i]->watch);
			free(d->at[i]);
		}
		free(d->at);
		free(d);
	}
	return NULL;
}

struct container *desired_find(struct desired *d, const char *id)
{
	size_t i = lower_bound(d, id);

	return i < d->n && strcmp(d->at[i]->spec.id, id) == 0 ? d->at[i] : NULL;
}

size_t desired_count(const struct desired *d)
{
	return d->n;
}

struct container *desired_at(struct desired *d, size_t i)
{
	assert(i < d->n);
	return d->at[i];
}

/* Its row's own, and those whose ids it has: others, and two of them, where the base has changed
 * since it was made. */
static void take_slots(const struct desired *d, const struct container *c, uint8_t *taken)
{
	int64_t begin = (int64_t)c->spec.id_base - d->ranges.id_base, end = begin + CTSPEC_ID_RANGE;

	for (int64_t i = MAX_OF(begin, 0) / CTSPEC_ID_RANGE;
		i * CTSPEC_ID_RANGE < end && i < CONTAINERS_MAX; i++)
		taken[i] = 1;
	taken[c->id_slot] = 1;
}

/* The lowest slot of which no container has an id: they are few, and a byte each is cheap. */
static int free_slot(const struct desired *d, uint32_t *ret)
{
	_cleanup_(freep) uint8_t *taken = xcalloc(CONTAINERS_MAX, 1);

	for (size_t i = 0; i < d->n; i++)
		take_slots(d, d->at[i], taken);
	for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
		uint64_t end = d->ranges.id_base + (i + 1ULL) * CTSPEC_ID_RANGE;

		if (end > LEAFID_FIRST)
			break;
		if (!taken[i]) {
			*ret = i;
			return 0;
		}
	}
	return -ENOSPC;
}

int desired_add(struct desired *d, const struct ctspec *spec, const uint8_t digest[static 32],
	int64_t now_ms, struct container **ret)
{
	_cleanup_json_ json_t *json = NULL;
	_cleanup_(freep) char *text = NULL;
	struct container *c;
	uint32_t slot, address;
	int r = free_slot(d, &slot);

	if (r >= 0)
		r = free_address(d, &address);
	if (r < 0)
		return r;
	c = xcalloc(1, sizeof(*c));
	c->spec = *spec;
	c->spec.id_base = d->ranges.id_base + slot * CTSPEC_ID_RANGE;
	c->spec.ipv4 = address;
	c->project = number_project(d, spec->project_id);
	c->id_slot = slot;
	c->status = CT_CREATING;
	c->created_ms = c->changed_ms = now_ms;
	memcpy(c->params_digest, digest, sizeof(c->params_digest));
	json = ctspec_to_json(&c->spec);
	text = jsonx_dump(json);
	store_must(store_exec(d->store,
		"INSERT INTO containers(id, project_id, id_slot, name, image, spec, params_digest, "
		"status, created_ms, changed_ms) "
		"VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
		"ttitttbti", c->spec.id, c->spec.project_id, (int64_t)slot, c->spec.name,
		c->spec.image, text, digest, (size_t)32, status_names[c->status], now_ms));
	insert(d, c);
	store_must(
		store_meta_set(d->store, NEXT_ADDRESS, &d->next_address, sizeof(d->next_address)));
	*ret = c;
	return 0;
}

void desired_change(
	struct desired *d, struct container *c, const struct ctspec *spec, int64_t now_ms)
{
	_cleanup_json_ json_t *json = ctspec_to_json(spec);
	_cleanup_(freep) char *text = jsonx_dump(json);

	assert(strcmp(c->spec.id, spec->id) == 0 && c->spec.id_base == spec->id_base);
	c->spec = *spec;
	c->changed_ms = now_ms;
	store_must(store_exec(d->store,
		"UPDATE containers SET name=?2, spec=?3, changed_ms=?4 WHERE id=?1", "ttti",
		c->spec.id, c->spec.name, text, now_ms));
}

void desired_remove(struct desired *d, struct container *c)
{
	size_t i = lower_bound(d, c->spec.id);

	assert(i < d->n && d->at[i] == c && !c->watch);
	store_must(store_exec(d->store, "DELETE FROM containers WHERE id=?1", "t", c->spec.id));
	memmove(d->at + i, d->at + i + 1, (d->n - i - 1) * sizeof(*d->at));
	d->n--;
	free(c);
}

void desired_on_status(struct desired *d, void (*changed)(void *userdata), void *userdata)
{
	d->changed = changed;
	d->userdata = userdata;
}

void desired_set_status(
	struct desired *d, struct container *c, enum ct_status status, int64_t now_ms)
{
	c->status = status;
	c->changed_ms = now_ms;
	store_must(
		store_exec(d->store, "UPDATE containers SET status=?2, changed_ms=?3 WHERE id=?1",
			"tti", c->spec.id, status_names[status], now_ms));
	if (d->changed)
		d->changed(d->userdata);
}
