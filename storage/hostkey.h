/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new host key as sshd(8) reads it: ed25519, in the format of OpenSSH's PROTOCOL.key, without a
 * passphrase. Every sshd since 6.5 takes it by default; no other kind is made. */
#pragma once

#include "proto/base.h"

#define HOSTKEY_NAME "ssh_host_ed25519_key"

/* Make one and its public half (".pub" behind the name) in @folder, a container's /etc/ssh, as
 * @hostname's: root's, 0600 and 0644. Of what fails, 0 or a negative errno, one may be there. */
_must_check_ int hostkey_make(int folder, const char *hostname);
