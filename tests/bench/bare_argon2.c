/*
 * What a login is measured against: libargon2 alone, checking one password again and again in so many threads.
 *
 * usage: bare_argon2 THREADS SECONDS
 *
 * The parameters are those of the stored hashes (accounts.md 2: 100 MiB, 2 passes, 8 lanes). Prints checks per second.
 */
#include <argon2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_THREADS 64

static atomic_bool ended;
static atomic_long checks;

static void *check(void *arg)
{
	unsigned char hash[32];

	while (!ended) {
		if (argon2id_hash_raw(2, 102400, 8, "Egoejo-Passw0rd!", 16, "SXlxQzR3VlF5VG5oeF", 18, hash, sizeof(hash)) != ARGON2_OK) {
			fprintf(stderr, "bare_argon2: out of memory\n");
			exit(EXIT_FAILURE);
		}
		checks++;
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	long n = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
	struct timespec pause, started, now;
	double seconds;

	if (n < 1 || n > MAX_THREADS) {
		fprintf(stderr, "usage: bare_argon2 THREADS SECONDS\n");
		return EXIT_FAILURE;
	}
	seconds = strtod(argv[2], NULL);
	pause.tv_sec = (time_t)seconds;
	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	clock_gettime(CLOCK_MONOTONIC, &started);
	for (long i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, check, NULL);
	nanosleep(&pause, NULL);
	ended = true;
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = (double)(now.tv_sec - started.tv_sec) + (double)(now.tv_nsec - started.tv_nsec) / 1e9;
	printf("%.3f\n", (double)checks / seconds);
	return EXIT_SUCCESS;
}
