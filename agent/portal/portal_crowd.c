/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/portal/portal_crowd.h"

#include <sys/socket.h>

void portal_crowd_work(struct portal_crowd *c, struct portal_crowd_member *m)
{
	if (!m->waits)
		return;
	m->waits = false;
	if (m->prev)
		m->prev->next = m->next;
	else
		c->first = m->next;
	if (m->next)
		m->next->prev = m->prev;
	else
		c->last = m->prev;
}

void portal_crowd_wait(struct portal_crowd *c, struct portal_crowd_member *m)
{
	portal_crowd_work(c, m);
	if (m->leaves)
		return;
	m->waits = true;
	m->next = NULL;
	m->prev = c->last;
	if (m->prev)
		m->prev->next = m;
	else
		c->first = m;
	c->last = m;
}

/* The library notices as if its client had. */
static void send_away(struct portal_crowd *c, struct portal_crowd_member *m)
{
	portal_crowd_work(c, m);
	m->leaves = true;
	c->n--;
	(void)shutdown(m->fd, SHUT_RDWR);
}

bool portal_crowd_has_room(const struct portal_crowd *c)
{
	return c->n < c->max || c->first;
}

struct portal_crowd_member *portal_crowd_enter(struct portal_crowd *c, int fd)
{
	struct portal_crowd_member *m = xcalloc(1, sizeof(*m));

	if (c->n >= c->max && c->first)
		send_away(c, c->first);
	m->fd = fd;
	c->n++;
	portal_crowd_wait(c, m);
	return m;
}

void portal_crowd_leave(struct portal_crowd *c, struct portal_crowd_member *m)
{
	portal_crowd_work(c, m);
	c->n -= !m->leaves;
	free(m);
}
