/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flood INTERFACE FRAME-IN-HEX MILLISECONDS [FRAMES-A-SECOND]: sends that frame, over and over, as
 * fast as it goes or so often, and says how many it has sent. */
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH     64
#define FRAME_MAX 1514

static long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	unsigned char frame[FRAME_MAX];
	struct mmsghdr batch[BATCH];
	struct iovec iov = { frame, 0 };
	const int on = 1;
	long begin, end, per_second, sent = 0;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if ((argc != 4 && argc != 5) || fd < 0 || strlen(argv[2]) > 2 * sizeof(frame))
		return EXIT_FAILURE;
	for (const char *p = argv[2]; p[0] && p[1]; p += 2) {
		const char byte[3] = { p[0], p[1], '\0' };

		frame[iov.iov_len++] = (unsigned char)strtoul(byte, NULL, 16);
	}
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return EXIT_FAILURE;
	(void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	memset(batch, 0, sizeof(batch));
	for (int i = 0; i < BATCH; i++) {
		batch[i].msg_hdr.msg_iov = &iov;
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	per_second = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
	begin = now_ms();
	for (end = begin + strtol(argv[3], NULL, 10); now_ms() < end;) {
		int n = 0;

		if (per_second == 0 || sent < (now_ms() - begin) * per_second / 1000)
			n = sendmmsg(fd, batch, BATCH, 0);
		else
			(void)usleep(200);
		sent += n > 0 ? n : 0;
	}
	(void)printf("%ld\n", sent);
	return EXIT_SUCCESS;
}
