#include "domain/charter.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "tests/lib/test.h"

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 64 << 20);
	return 0;
}

static int teardown(void **state)
{
	fault_disarm_all();
	arena_finish(&arena);
	return 0;
}

static struct charter_verdict judge(const char *title, const char *description)
{
	const struct charter_subject subject = { .title = str_of(title),
		                                 .description = str_of(description),
		                                 .external_url = STR("https://example.org"),
		                                 .audited = true,
		                                 .published_by_known = true };
	struct charter_verdict verdict = { .score = -1 };

	assert_int_equal(charter_judge(&arena, &subject, &verdict), 0);
	return verdict;
}

/* The patterns that were found, "a|b", title before description. */
static const char *hits_of(const struct charter_finding *finding)
{
	char *text = arena_zalloc(&arena, 2000);

	for (size_t i = 0; i < finding->n_hits; i++)
		snprintf(text + strlen(text), 2000 - strlen(text), "%s%s%s%s", i ? " & " : "",
		         finding->hits[i].field ? finding->hits[i].field : "", finding->hits[i].field ? ":" : "", finding->hits[i].pattern);
	return text;
}

#define assert_hits(title, description, criterion, expected)                                            \
	do {                                                                                            \
		struct charter_verdict verdict_ = judge(title, description);                            \
		assert_string_equal(hits_of(&verdict_.findings[CHARTER_##criterion]), expected);        \
		assert_int_equal(verdict_.findings[CHARTER_##criterion].passed, (expected)[0] == '\0'); \
	} while (0)

static const char *description_hit(const char *description, enum charter_criterion criterion)
{
	struct charter_verdict v = judge("Titre", description);

	return hits_of(&v.findings[criterion]);
}

struct example {
	const char *pattern; /* the one that must be found, alone */
	const char *texts[6];
};

static void assert_examples(const struct example *examples, size_t n, const char *prefix, enum charter_criterion criterion)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < N_ELEMENTS(examples[i].texts) && examples[i].texts[k]; k++) {
			char expected[200];

			snprintf(expected, sizeof(expected), "%s%s", prefix, examples[i].pattern);
			assert_string_equal(description_hit(examples[i].texts[k], criterion), expected);
		}
}

static void test_charter__list_a(void **state)
{
	static const struct example examples[] = {
		{ "retour\\s+sur\\s+investissement",
		  { "Un retour sur investissement.", "RETOUR  SUR\tINVESTISSEMENT", "retour\nsur\ninvestissement" } },
		{ "ROI", { "ROI", "un roi sans couronne", "(roi)", "le-ROI!" } },
		{ "profit", { "du profit", "Profit", "profit-là", "l&#x27;profit" } },
		{ "profitabilit[ée]", { "profitabilité", "PROFITABILITÉ", "profitabilite" } },
		{ "rentabilit[ée]", { "rentabilité", "Rentabilite", "RENTABILITÉ" } },
		{ "gain\\s+financier", { "un gain financier", "Gain\n\nFinancier" } },
		{ "plus-value", { "une plus-value", "PLUS-VALUE" } },
		{ "int[ée]r[êe]t\\s+financier", { "intérêt financier", "interet financier", "INTÉRÊT FINANCIER", "intéret financier" } },
		{ "dividende", { "dividende", "Un Dividende." } },
		{ "r[ée]mun[ée]ration", { "rémunération", "remuneration", "RÉMUNÉRATION", "rémuneration" } },
		{ "retour\\s+garanti", { "retour garanti" } },
		{ "garantie\\s+de\\s+retour", { "Garantie de retour" } },
		{ "taux\\s+de\\s+retour", { "taux de retour", "Taux De Retour" } },
		{ "rendement", { "rendement", "RENDEMENT", "«rendement»" } },
		{ "performance\\s+financi[èe]re", { "performance financière", "performance financiere", "PERFORMANCE FINANCIÈRE" } },
		{ "valorisation", { "valorisation", "La Valorisation" } },
		{ "appr[ée]ciation\\s+financi[èe]re", { "appréciation financière", "appreciation financiere", "APPRÉCIATION FINANCIÈRE" } },
	};

	assert_examples(examples, N_ELEMENTS(examples), "description:", CHARTER_no_financial_language);
}

static void test_charter__list_a_takes_whole_words(void **state)
{
	static const char *const texts[] = {
		"profits",    "des rendements", "dividendes",       "rémunérations",       "Profitable aux abeilles",
		"rois",       "Leroi",          "plus-values",      "valorisations",       "revalorisation",
		"profit_s",   "éprofit",        "profité",          "gain  non financier", "retour sur l'investissement",
		"rendement2", "ROIé",           "retours garantis", "taux du retour",
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_string_equal(description_hit(texts[i], CHARTER_no_financial_language), "");
}

static void test_charter__list_b(void **state)
{
	static const struct example examples[] = {
		{ "€", { "10 €", "10€", "€uropéen" } },
		{ "\\$", { "$100", "A$AP" } },
		{ "EUR", { "10 EUR", "eur", "(Eur)" } },
		{ "USD", { "USD", "usd" } },
		{ "GBP", { "GBP" } },
		{ "CHF", { "CHF" } },
		{ "JPY", { "JPY" } },
		{ "CAD", { "CAD" } },
		{ "AUD", { "AUD" } },
	};

	assert_examples(examples, N_ELEMENTS(examples), "", CHARTER_no_monetary_symbols);
	assert_string_equal(description_hit("l'heure, l'euro, 10EUR, cadre, audace, euros", CHARTER_no_monetary_symbols), "");
}

static void test_charter__list_c(void **state)
{
	static const struct example examples[] = {
		{ "saka.*eur|eur.*saka", { "le saka en EUR", "SAKA, donc un euro", "dix euros font un saka", "eur saka", "saka\r€ eur" } },
		{ "saka.*€|€.*saka", { "saka = 1 €", "€ et SAKA" } },
		{ "convertir.*saka", { "convertir des saka", "Convertir le SAKA" } },
		{ "conversion.*saka", { "La conversion du SAKA" } },
		{ "équivalent.*saka", { "un équivalent en saka", "ÉQUIVALENT SAKA" } },
		{ "valeur.*saka", { "la valeur du saka" } },
	};

	assert_examples(examples, N_ELEMENTS(examples), "", CHARTER_no_saka_eur_conversion);
}

/* "eur" within a word is none: leur, valeur, heure (content.md 11.6). */
static void test_charter__list_c_takes_eur_as_a_word(void **state)
{
	static const char *const texts[] = { "Le saka a sa valeur", "saka : leur meilleur ami",
		                             "une heure de saka",   "l'acteur du saka",
		                             "saka et européens",   "le saka des entrepreneurs",
		                             "saka eurosceptique",  "neuro saka",
		                             "saka et conversion",  "le saka vaut un équivalent",
		                             "saka\neur",           "eur\nsaka",
		                             "valeur du sac à dos", "convertir\nsaka" };

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_string_equal(description_hit(texts[i], CHARTER_no_saka_eur_conversion), "");
}

static void test_charter__list_d(void **state)
{
	static const struct example examples[] = {
		{ "garant.*retour", { "retour garanti puis un retour", "GARANTIE de retour", "garants du retournement" } },
		{ "promet.*retour", { "il promet un retour", "promettre des retours" } },
		{ "assur.*retour", { "assurer le retour", "ASSURANCE RETOUR" } },
		{ "garant.*profit", { "garantir des profits" } },
		{ "promet.*profit", { "promet des profits" } },
		{ "assur.*profit", { "assure du profit" } },
	};

	assert_examples(examples, N_ELEMENTS(examples), "", CHARTER_no_financial_promises);
	assert_string_equal(description_hit("un retour garanti", CHARTER_no_financial_promises), ""); /* the other way round */
	assert_string_equal(description_hit("garanti\nretour", CHARTER_no_financial_promises), "");   /* a dot stops at a line's end */
	assert_string_equal(description_hit("garanti un retour et promet un profit", CHARTER_no_financial_promises),
	                    "garant.*retour & garant.*profit & promet.*profit");
	assert_string_equal(description_hit("rien\ngarant garant retour\nrien", CHARTER_no_financial_promises), "garant.*retour");
}

static void test_charter__hits_are_in_order(void **state)
{
	assert_hits("Un rendement et du profit", "du ROI", no_financial_language, "title:profit & title:rendement & description:ROI");
	assert_hits("ROI", "Un roi sans couronne", no_financial_language, "title:ROI & description:ROI");
	assert_hits("10 USD", "5 € ou 3 $", no_monetary_symbols, "€ & \\$ & USD");
	assert_hits("La valeur du saka", "en euros", no_saka_eur_conversion, "saka.*eur|eur.*saka"); /* only the first, over both texts */
	assert_hits("promet", "un retour", no_financial_promises, "promet.*retour");
	assert_hits("On garantit, promet et assure", "un profit et un retour", no_financial_promises,
	            "garant.*retour & garant.*profit & promet.*retour & promet.*profit & assur.*retour & assur.*profit");
}

static struct str repeated(struct buf *b, const char *text, size_t bytes)
{
	while (b->len + strlen(text) <= bytes)
		buf_add_text(b, text);
	return buf_view(b);
}

static void test_charter__snippets(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct charter_verdict v;

	buf_add_text(&b, "ÉTÉ profit € garantit du profit, SAKA en EUR ");
	repeated(&b, "é", 1000);
	v = judge(b.data, b.data);
	assert_int_equal(str_count_chars(v.findings[CHARTER_no_financial_language].hits[0].snippet), 100);
	assert_int_equal(str_count_chars(v.findings[CHARTER_no_financial_language].hits[1].snippet), 200);
	assert_true(str_starts(v.findings[CHARTER_no_financial_language].hits[0].snippet, "ÉTÉ profit"));
	assert_int_equal(str_count_chars(v.findings[CHARTER_no_monetary_symbols].hits[0].snippet), 200);
	assert_true(str_starts(v.findings[CHARTER_no_monetary_symbols].hits[0].snippet, "ÉTÉ"));
	assert_int_equal(str_count_chars(v.findings[CHARTER_no_saka_eur_conversion].hits[0].snippet), 200);
	assert_true(str_starts(v.findings[CHARTER_no_saka_eur_conversion].hits[0].snippet, "été profit"));
	assert_true(str_starts(v.findings[CHARTER_no_financial_promises].hits[0].snippet, "été profit"));
	v = judge("Prix", "10 €");
	assert_true(str_is(v.findings[CHARTER_no_monetary_symbols].hits[0].snippet, "Prix 10 €"));
}

static void test_charter__a_plain_content_complies(void **state)
{
	struct charter_verdict v = judge("Sobriété", "Rien à vendre");

	assert_int_equal(v.critical_failures, 0);
	assert_true(v.score == 1.0);
	assert_string_equal(v.findings[CHARTER_has_license].criterion, "has_license");
	assert_false(v.findings[CHARTER_has_license].passed || v.findings[CHARTER_has_license].critical);
	assert_true(v.findings[CHARTER_no_saka_eur_conversion].first_hit_only && !v.findings[CHARTER_no_monetary_symbols].first_hit_only);
	for (int i = 0; i < CHARTER_COUNT; i++)
		assert_true(v.findings[i].passed == (i != CHARTER_has_license) && v.findings[i].criterion && v.findings[i].message[0]);
}

static void test_charter__what_is_missing_is_not_critical(void **state)
{
	struct charter_subject subject = { .title = STR("Titre"), .description = STR("") };
	struct charter_verdict v;

	assert_int_equal(charter_judge(&arena, &subject, &v), 0);
	assert_int_equal(v.critical_failures, 0);
	assert_true(v.score == 1.0); /* 6/6 and nothing of the fifth for warnings */
	assert_false(v.findings[CHARTER_has_source].passed || v.findings[CHARTER_auditlog_exists].passed ||
	             v.findings[CHARTER_published_by_tracked].passed);
	subject.file = (struct str)STR("a.pdf");
	assert_int_equal(charter_judge(&arena, &subject, &v), 0);
	assert_true(v.findings[CHARTER_has_source].passed);
}

static void test_charter__failures_are_counted(void **state)
{
	struct charter_verdict v = judge("Titre", "Garantie de retour");

	assert_int_equal(v.critical_failures, 2);
	assert_true(v.score == 0.0);
	v = judge("du profit", "garantit du profit, saka 3 €");
	assert_int_equal(v.critical_failures, 4);
}

static void test_charter__financial_language_alone(void **state)
{
	const struct charter_subject subject = { .title = STR("10 € de profit"), .description = STR("rendement") };
	struct charter_hit *hits;
	size_t n;

	assert_int_equal(charter_financial_language(&arena, &subject, &hits, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(hits[0].field, "title");
	assert_string_equal(hits[1].pattern, "rendement");
}

/* Long texts made of the beginnings of patterns. */
static void test_charter__no_text_takes_long(void **state)
{
	static const char *const pieces[] = {
		"garant ", "saka ",     "assur",   "retour ",       "retour sur ", "promet\n", "valeur ",
		"eur ",    "a",         "é",       "appréciation ", "interet ",    "\n",       "performance  ",
		" ",       "convertir", "saka eu", "garantie de ",  "plus-valu",   "€ ",       "taux de retou"
	};
	const size_t bytes = 400000;
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	for (size_t i = 0; i < N_ELEMENTS(pieces); i++) {
		const struct charter_subject subject = { .title = STR("Titre"), .description = repeated(&b, pieces[i], bytes) };
		struct charter_verdict v;
		int64_t began_us = clock_monotonic_us();
		bool is_euro = strcmp(pieces[i], "€ ") == 0 || strcmp(pieces[i], "eur ") == 0;

		assert_int_equal(charter_judge(&arena, &subject, &v), 0);
		if (clock_monotonic_us() - began_us > 10 * US_PER_S)
			fail_msg("%s took %lld us", pieces[i], (long long)(clock_monotonic_us() - began_us));
		assert_int_equal(v.critical_failures, is_euro); /* and nothing gave up */
		buf_clear(&b);
		arena_reset(&arena);
	}
}

static void test_charter__without_memory(void **state)
{
	const struct charter_subject subject = { .title = STR("Du profit"), .description = STR("garantit") };
	int r = ERR_NOMEM, n;

	for (n = 1; r != 0; n++) {
		struct charter_verdict v = { .score = -1 };

		assert_true(n < 1000);
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		r = charter_judge(&arena, &subject, &v);
		fault_disarm_all();
		assert_true(r == 0 ? v.critical_failures == 1 : r == ERR_NOMEM && v.score == -1);
		arena_finish(&arena);
		arena_init(&arena, 1 << 20);
	}
	assert_true(n > 5); /* the patterns were compiled on the way, more in each call */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_charter__without_memory, setup, teardown), /* first: nothing is compiled yet */
		cmocka_unit_test_setup_teardown(test_charter__list_a, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__list_a_takes_whole_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__list_b, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__list_c, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__list_c_takes_eur_as_a_word, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__list_d, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__hits_are_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__snippets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__a_plain_content_complies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__what_is_missing_is_not_critical, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__failures_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__financial_language_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charter__no_text_takes_long, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
