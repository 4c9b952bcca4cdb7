/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of signals: the usual spellings, and nothing like them. */
#include <signal.h>

#include "proto/signame.h"
#include "tests/unit/tap.h"

int main(void)
{
	static const struct {
		const char *text;
		int number;
	} good[] = {
		{ "SIGTERM", SIGTERM },
		{ "TERM", SIGTERM },
		{ "15", SIGTERM },
		{ "1", SIGHUP },
		{ "SIGQUIT", SIGQUIT },
		{ "WINCH", SIGWINCH },
		{ "SIGPOLL", SIGIO },
		{ "SIGRTMIN", 34 },
		{ "SIGRTMIN+0", 34 },
		{ "SIGRTMIN+3", 37 },
		{ "RTMIN+30", 64 },
		{ "SIGRTMAX", 64 },
		{ "RTMAX-14", 50 },
		{ "37", 37 },
		{ "64", 64 },
	};
	static const char *const bad[] = { "", "SIG", "SIGSIGTERM", "sigterm", "term", "SigTerm",
		" TERM", "TERM ", "TERM\n", "SIGKILL", "KILL", "9", "SIGSTOP", "19", "0", "-1",
		"+15", "015", "0xf", "15.0", "32", "33", "65", "4294967311", "99999999999999999999",
		"SIGRTMIN+31", "SIGRTMIN-1", "SIGRTMIN+", "SIGRTMIN+03", "SIGRTMIN+3 ", "RTMIN3",
		"SIGRTMAX+1", "RTMAX-31", "SIGRT", "SIGNAL", "SIG15" };

	for (size_t i = 0; i < countof(good); i++)
		TAP_OK(signame_parse(good[i].text) == good[i].number, "%s", good[i].text);
	for (size_t i = 0; i < countof(bad); i++)
		TAP_OK(signame_parse(bad[i]) == -EINVAL, "refused: \"%s\"", bad[i]);
	return tap_done();
}
