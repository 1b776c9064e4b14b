/* tick FILE NAME...: appends one record with the monotonic time and waits. The smallest program worth supervising. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec t;
	char line[64];
	int fd, n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	n = snprintf(line, sizeof line, "%lld %d %s\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec, (int)getpid(), argc > 2 ? argv[2] : "-");
	if (fd < 0 || write(fd, line, n) != n)
		return 1;
	close(fd);
	for (;;)
		pause();
}
