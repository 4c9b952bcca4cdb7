/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hoodyctl's status and orders ask: frames on <RuntimeDirectory>/agent.sock (SOCK_SEQPACKET,
 * 0660 root:<Local.Group>), the last resort with the fewest parts. Reads only. Who may connect is
 * decided by the socket's mode; a bounded number of clients, each closed when it breaks the rules.
 */
#pragma once

#include "agent/common/agent.h"

#define CTLSRV_SOCKET "agent.sock"

_must_check_ int ctlsrv_open(struct agent *a, struct ctlsrv **ret, struct err *err);
struct ctlsrv *ctlsrv_close(struct ctlsrv *s);
