#include "domain/password.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "tests/lib/test.h"

/* Made by Django 5.2 (make_password, and its hashers with fewer iterations) and by argon2-cffi. */
#define OF_PANCAKES "Pâte-à-crêpes-2026"
#define BY_DJANGO   "argon2$argon2id$v=19$m=102400,t=2,p=8$eWVWcUpkOGZ5UEptYTIyZFdHMk9rdw$SUTm9RT3CGSkZcE5c+UrBiHk18EQgwjJ8szQSAkXP/o"

static const char *const recorded[] = {
	"pbkdf2_sha256$1000$seasalt0123456789abcde$ng34auFOsZchyyLC/vgLTLDOopUwfFdbzZXwm5C5Yow=",
	"pbkdf2_sha1$1000$seasalt0123456789abcde$/D23IFbwlXZZtSZH1mxsGBho9QQ=",
	"argon2$argon2i$v=19$m=32,t=3,p=4$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$9He5erexHNb+qfkotXvDloQhwZjM0rWh2c//tHh0SKw",
	"argon2$argon2i$v=19$m=64,t=1,p=1$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$8jJcwol7mo9R2fwky8J7agXxtHGjVmozXJbzhupaNus",
	"argon2$argon2d$v=19$m=32,t=3,p=4$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$lErW8hWijDW+uzNnDDJ4yv/f2n3t4SgfR2X15fjaN/k",
	"argon2$argon2id$v=19$m=32,t=3,p=4$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$NTNNkgL6q8Syac6828z4ztyncR+6Gz3HQna0G97RueE",
	"argon2$argon2id$v=19$m=64,t=1,p=1$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$+j/O5z39bCXHSn+Nvh3YojP4yASqj0qoD+/ar9HqRwA",
	"argon2$argon2id$v=16$m=64,t=1,p=2$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$qPQnQ9/TjMLw+um+hmW+AIGHt1nuJmWo5dc8gvalvJI",
	"argon2$argon2id$m=64,t=1,p=2$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$qPQnQ9/TjMLw+um+hmW+AIGHt1nuJmWo5dc8gvalvJI",
	"argon2$argon2id$v=19$m=64,t=2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
};

static int verify(const char *password, const char *hash)
{
	return password_verify(str_of(password), str_of(hash));
}

static void test_password__hashes_made_elsewhere(void **state)
{
	for (size_t i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
		if (verify(OF_PANCAKES, recorded[i]) != 1)
			fail_msg("%s", recorded[i]);
		assert_int_equal(verify("Pate-a-crepes-2026", recorded[i]), 0);
		assert_int_equal(verify("", recorded[i]), 0);
		assert_true(password_is_outdated(str_of(recorded[i])));
	}
	assert_int_equal(verify(OF_PANCAKES, BY_DJANGO), 1);
	assert_false(password_is_outdated(str_of(BY_DJANGO)));
}

static void test_password__what_is_written(void **state)
{
	char first[PASSWORD_HASH_SIZE], second[PASSWORD_HASH_SIZE];
	const char *prefix = "argon2$argon2id$v=19$m=102400,t=2,p=8$";

	assert_int_equal(password_hash(str_of("Une-Phrase-2-Passe"), first), 0);
	assert_int_equal(password_hash(str_of("Une-Phrase-2-Passe"), second), 0);
	assert_int_equal(strlen(first), 112);
	assert_memory_equal(first, prefix, strlen(prefix));
	assert_string_not_equal(first, second);
	assert_int_equal(verify("Une-Phrase-2-Passe", first), 1);
	assert_int_equal(verify("une-Phrase-2-Passe", first), 0);
	assert_false(password_is_outdated(str_of(first)));
}

static void test_password__outdated_ones(void **state)
{
#define SALT_AND_DIGEST "$eWVWcUpkOGZ5UEptYTIyZFdHMk9rdw$SUTm9RT3CGSkZcE5c+UrBiHk18EQgwjJ8szQSAkXP/o"
	static const char *const outdated[] = {
		"",
		"argon2$argon2i$v=19$m=102400,t=2,p=8" SALT_AND_DIGEST,
		"argon2$argon2id$v=16$m=102400,t=2,p=8" SALT_AND_DIGEST,
		"argon2$argon2id$v=19$m=51200,t=2,p=8" SALT_AND_DIGEST,
		"argon2$argon2id$v=19$m=102400,t=3,p=8" SALT_AND_DIGEST,
		"argon2$argon2id$v=19$m=102400,t=2,p=1" SALT_AND_DIGEST,
		/* 21 letters of salt; 16 bytes of digest */
		"argon2$argon2id$v=19$m=102400,t=2,p=8$eWVWcUpkOGZ5UEptYTIyZFdHMk9r$SUTm9RT3CGSkZcE5c+UrBiHk18EQgwjJ8szQSAkXP/o",
		"argon2$argon2id$v=19$m=102400,t=2,p=8$eWVWcUpkOGZ5UEptYTIyZFdHMk9rdw$FTYrhoLuUQEAOejbEBwWNw",
	};

	for (size_t i = 0; i < sizeof(outdated) / sizeof(outdated[0]); i++)
		if (!password_is_outdated(str_of(outdated[i])))
			fail_msg("%s", outdated[i]);
	assert_false(password_is_outdated(str_of("argon2$argon2id$v=19$m=102400,t=2,p=8" SALT_AND_DIGEST)));
}

/* Each of them costs one default computation, which is the point, and why there are not more. */
static void test_password__what_never_matches_takes_its_time(void **state)
{
	static const char *const never[] = { "", "!", "md5$salt$0123456789abcdef0123456789abcdef" };
	int64_t start_us = clock_monotonic_us(), spent_us, each_us;

	password_spend(str_of("x"));
	spent_us = clock_monotonic_us() - start_us;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		start_us = clock_monotonic_us();
		assert_int_equal(verify("x", never[i]), 0);
		each_us = clock_monotonic_us() - start_us;
		if (each_us < spent_us / 4)
			fail_msg("\"%s\": %lld us, a hash takes %lld", never[i], (long long)each_us, (long long)spent_us);
	}
}

static void test_password__more_than_we_compute(void **state)
{
	assert_int_equal(verify("x", "argon2$argon2id$v=19$m=1048577,t=1,p=8" SALT_AND_DIGEST), ERR_LIMIT);
	assert_int_equal(verify("x", "argon2$argon2id$v=19$m=1048576,t=9,p=8" SALT_AND_DIGEST), ERR_LIMIT);
	assert_int_equal(verify("x", "pbkdf2_sha256$10000001$salt$ng34auFOsZchyyLC/vgLTLDOopUwfFdbzZXwm5C5Yow="), ERR_LIMIT);
}

/* Memory for the default computation that follows a mismatch fails as well, so that none of these takes its time. */
static void test_password__broken_hashes_match_nothing(void **state)
{
	static const char *const broken[] = {
		"argon2$",
		"argon2$argon2id",
		"argon2$argon2x$v=19$m=64,t=2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=64,t=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=64,t=2,p=2,x=1$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=64,t=-2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=64,t=0,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=8,t=2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=77$m=64,t=2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=64,t=2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw$",
		"argon2$argon2id$v=19$m=64,t=2,p=2$YWJjZGVmZ2g$FTYr*oLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=64,t=2,p=2$YWJjZGVmZ2g$",
		"argon2$argon2id$v=19$m=64,t=2,p=2$$FTYrhoLuUQEAOejbEBwWNw",
		"argon2$argon2id$v=19$m=64,t=2,p=2$YWI$FTYrhoLuUQEAOejbEBwWNw",
		"pbkdf2_sha256$",
		"pbkdf2_sha256$1000$seasalt0123456789abcde",
		"pbkdf2_sha256$0$seasalt0123456789abcde$ng34auFOsZchyyLC/vgLTLDOopUwfFdbzZXwm5C5Yow=",
		"pbkdf2_sha256$1000$seasalt0123456789abcde$ng34auFOsZchyyLC/vgLTLDOopUwfFdbzZXwm5C5Yow",
		"pbkdf2_sha256$1000$seasalt0123456789abcde$ng34auFOsZchyyLC/vgLTLDOopUwfFdbzZXwm5C5Yow=$",
		"pbkdf2_sha256$1000$seasalt0123456789abcde$/D23IFbwlXZZtSZH1mxsGBho9QQ=",
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		fault_arm(FAULT_ALLOC, 1, true);
		if (verify(OF_PANCAKES, broken[i]) != 0)
			fail_msg("%s", broken[i]);
		fault_disarm_all();
	}
}

static void test_password__a_hash_longer_than_the_column(void **state)
{
	char hash[5000] = "argon2$argon2id$v=19$m=64,t=2,p=2$";
	size_t n = strlen(hash);

	memset(hash + n, 'A', sizeof(hash) - n - 1);
	fault_arm(FAULT_ALLOC, 1, true);
	assert_int_equal(verify("x", hash), 0);
	hash[n + 1000] = '$';
	assert_int_equal(verify("x", hash), 0);
}

static void test_password__without_memory(void **state)
{
	char hash[PASSWORD_HASH_SIZE];

	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(verify(OF_PANCAKES, recorded[3]), ERR_NOMEM);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(password_hash(str_of("x"), hash), ERR_NOMEM);
}

static void test_password__unusable_ones_differ(void **state)
{
	char first[PASSWORD_HASH_SIZE], second[PASSWORD_HASH_SIZE];

	assert_int_equal(password_unusable(first), 0);
	assert_int_equal(password_unusable(second), 0);
	assert_int_equal(first[0], '!');
	assert_string_not_equal(first, second);
	assert_true(password_is_outdated(str_of(first)));
}

static int disarm(void **state)
{
	fault_disarm_all();
	return 0;
}

#define CASE(name) cmocka_unit_test_teardown(name, disarm)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_password__hashes_made_elsewhere),
		CASE(test_password__what_is_written),
		CASE(test_password__outdated_ones),
		CASE(test_password__what_never_matches_takes_its_time),
		CASE(test_password__more_than_we_compute),
		CASE(test_password__broken_hashes_match_nothing),
		CASE(test_password__a_hash_longer_than_the_column),
		CASE(test_password__without_memory),
		CASE(test_password__unusable_ones_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
