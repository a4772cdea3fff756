#include "cache/hash_impl.h"

#include <endian.h>
#include <sys/random.h>

#include "base/clock.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t read_word(const char *bytes, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, bytes, n);
	return le64toh(word);
}

void hash_seed_init(struct hash_seed *seed)
{
	/* getrandom cannot fail for so few bytes once the machine has booted; before that, time is better than nothing. */
	if (getrandom(seed, sizeof(*seed), GRND_NONBLOCK) != (ssize_t)sizeof(*seed))
		*seed = (struct hash_seed){ (uint64_t)clock_now().us, (uint64_t)clock_monotonic_us() ^ (uintptr_t)seed };
}

uint64_t hash_bytes(const struct hash_seed *seed, struct str text)
{
	struct sip s = { seed->k0 ^ UINT64_C(0x736f6d6570736575), seed->k1 ^ UINT64_C(0x646f72616e646f6d),
		         seed->k0 ^ UINT64_C(0x6c7967656e657261), seed->k1 ^ UINT64_C(0x7465646279746573) };
	size_t whole = text.len & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8)
		sip_word(&s, read_word(text.s + i, 8));
	sip_word(&s, (uint64_t)text.len << 56 | (text.len > whole ? read_word(text.s + whole, text.len - whole) : 0));
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_pair(const struct hash_seed *seed, struct str first, struct str second)
{
	struct hash_seed next = { hash_bytes(seed, first), seed->k1 };

	return hash_bytes(&next, second);
}
