#include <string.h>

#include "base/fault.h"
#include "domain/password.h"
#include "tests/lib/test.h"

/* The rules that a password breaks, by a letter of each: (c)ourt, co(u)rant, ch(i)ffres. */
static const char *faults(const char *password)
{
	static char text[PASSWORD_RULES + 1];
	const char *sentences[PASSWORD_RULES];
	int n = password_faults(str_of(password), sentences);

	assert_in_range(n, 0, PASSWORD_RULES);
	for (int i = 0; i < n; i++)
		text[i] = strstr(sentences[i], "court") ? 'c' : strstr(sentences[i], "courant") ? 'u' : 'i';
	text[n] = '\0';
	return text;
}

static void test_password_rules__good_ones(void **state)
{
	assert_string_equal(faults("Une-Phrase-2-Passe"), "");
	assert_string_equal(faults("éàüöèéàüöè"), "");
	assert_string_equal(faults("dix lettres"), "");
	assert_string_equal(faults("123456789a1"), "");
}

static void test_password_rules__characters_are_counted(void **state)
{
	assert_string_equal(faults("xq-vRt9%k"), "c");
	assert_string_equal(faults("xq-vRt9%kw"), "");
	assert_string_equal(faults("éàüöèéàüö"), "c");
	assert_string_equal(faults(""), "c");
}

static void test_password_rules__common_ones_whatever_case_and_space(void **state)
{
	assert_string_equal(faults("qwertyuiop"), "u");
	assert_string_equal(faults("QwertyUiop"), "u");
	assert_string_equal(faults("  azertyuiop\t"), "u");
	assert_string_equal(faults("password"), "cu");
	assert_string_equal(faults("PASSWORD"), "cu");
	assert_string_equal(faults("!@#$%"), "cu"); /* the first of the list, and the last */
	assert_string_equal(faults("zzzzzzz1"), "cu");
	assert_string_equal(faults("qwertyuiop\nqwertyuiop"), "");
	assert_string_equal(faults("wertyuio"), "c");
}

static void test_password_rules__only_digits(void **state)
{
	assert_string_equal(faults("1234567890"), "ui");
	assert_string_equal(faults("8301749265018"), "i");
	assert_string_equal(faults("٠١٢٣٤٥٦٧٨٩"), "i");
	assert_string_equal(faults("1"), "cui");
}

static void test_password_rules__without_memory(void **state)
{
	const char *sentences[PASSWORD_RULES];

	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(password_faults(str_of("qwertyuiop"), sentences), ERR_NOMEM);
	fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password_rules__good_ones),
		cmocka_unit_test(test_password_rules__characters_are_counted),
		cmocka_unit_test(test_password_rules__common_ones_whatever_case_and_space),
		cmocka_unit_test(test_password_rules__only_digits),
		cmocka_unit_test(test_password_rules__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
