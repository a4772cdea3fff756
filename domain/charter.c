/*
 * Design: each list is a table of patterns, compiled at the first use and kept, with a table of the texts to run it on.
 * "A followed by B" is written so that it takes linear time: from the beginning of a line to its first A, without going
 * back on that (an atomic group), then to a B behind it. The plain "A.*B" tries from every A to the end of the line.
 *
 * A list is first tried as one alternation: most contents hold nothing of it, and then one pass does.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "domain/charter.h"

#include <pcre2.h>
#include <pthread.h>
#include <utf8proc.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

#define MATCH_LIMIT    10000000 /* steps of one search: far beyond what the patterns take on the longest body */
#define HEAP_LIMIT_KIB 20000
#define TITLE_CHARS    100 /* of a title in a snippet */
#define TEXT_CHARS     200
#define MAX_PATTERNS   32
#define WORD(text)                     \
	{                              \
		text, "\\b" text "\\b" \
	}
#define ANYWHERE(text)     \
	{                  \
		text, text \
	}
#define FOLLOWED(a, b)                        \
	{                                     \
		a ".*" b, "^(?>.*?" a ").*" b \
	}
#define BOTH_WAYS(a, b, w)                                                      \
	{                                                                       \
		a ".*" b "|" b ".*" a, "^(?>.*?" a ").*" w "|^(?>.*?" w ").*" a \
	}

/* ---- the lists ---- */

struct pattern {
	const char *shown; /* in answers */
	const char *regex;
};

static const struct pattern list_a[] = {
	WORD("retour\\s+sur\\s+investissement"),
	WORD("ROI"),
	WORD("profit"),
	WORD("profitabilit[ée]"),
	WORD("rentabilit[ée]"),
	WORD("gain\\s+financier"),
	WORD("plus-value"),
	WORD("int[ée]r[êe]t\\s+financier"),
	WORD("dividende"),
	WORD("r[ée]mun[ée]ration"),
	WORD("retour\\s+garanti"),
	WORD("garantie\\s+de\\s+retour"),
	WORD("taux\\s+de\\s+retour"),
	WORD("rendement"),
	WORD("performance\\s+financi[èe]re"),
	WORD("valorisation"),
	WORD("appr[ée]ciation\\s+financi[èe]re"),
};

static const struct pattern list_b[] = {
	ANYWHERE("€"), ANYWHERE("\\$"), WORD("EUR"), WORD("USD"), WORD("GBP"), WORD("CHF"), WORD("JPY"), WORD("CAD"), WORD("AUD"),
};

static const struct pattern list_c[] = {
	BOTH_WAYS("saka", "eur", "\\b(?:eur|euros?)\\b"),
	BOTH_WAYS("saka", "€", "€"),
	FOLLOWED("convertir", "saka"),
	FOLLOWED("conversion", "saka"),
	FOLLOWED("équivalent", "saka"),
	FOLLOWED("valeur", "saka"),
};

static const struct pattern list_d[] = {
	FOLLOWED("garant", "retour"), FOLLOWED("garant", "profit"), FOLLOWED("promet", "retour"),
	FOLLOWED("promet", "profit"), FOLLOWED("assur", "retour"),  FOLLOWED("assur", "profit"),
};

enum list_id { LIST_A, LIST_B, LIST_C, LIST_D, LISTS };

static const struct list {
	const struct pattern *patterns;
	size_t n;
	bool each_field; /* title, then description; else both as one text */
	bool lowered;    /* the snippet is in small letters */
	bool first_only; /* the first hit ends the search */
} lists[LISTS] = {
	[LIST_A] = { list_a, N_ELEMENTS(list_a), .each_field = true },
	[LIST_B] = { list_b, N_ELEMENTS(list_b), .each_field = false },
	[LIST_C] = { list_c, N_ELEMENTS(list_c), .lowered = true, .first_only = true },
	[LIST_D] = { list_d, N_ELEMENTS(list_d), .lowered = true },
};

/* ---- compiling ---- */

struct compiled {
	pcre2_code *any; /* the whole list as one alternation */
	pcre2_code *each[MAX_PATTERNS];
};

static struct compiled compiled[LISTS];
static pthread_mutex_t compile_lock = PTHREAD_MUTEX_INITIALIZER;
static bool compile_done;

static void *allocate(PCRE2_SIZE n, void *data)
{
	(void)data;
	return mem_realloc(NULL, n);
}

static void deallocate(void *memory, void *data)
{
	(void)data;
	free(memory);
}

/* NULL without memory; the patterns themselves are known to be right (the tests compile all). */
static pcre2_code *compile(pcre2_compile_context *context, const char *regex)
{
	int code;
	PCRE2_SIZE at;
	pcre2_code *compiled_regex =
	        pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED,
	                      PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK, &code, &at, context);

	if (compiled_regex)
		pcre2_jit_compile(compiled_regex,
		                  PCRE2_JIT_COMPLETE); /* may be forbidden (MemoryDenyWriteExecute); then it is interpreted */
	return compiled_regex;
}

static bool compile_list(pcre2_compile_context *context, const struct list *list, struct compiled *c)
{
	struct buf any CLEANUP(buf_finish) = BUF_EMPTY;

	for (size_t i = 0; i < list->n; i++) {
		buf_addf(&any, "%s(?:%s)", i ? "|" : "", list->patterns[i].regex);
		if (!c->each[i])
			c->each[i] = compile(context, list->patterns[i].regex);
		if (!c->each[i])
			return false;
	}
	if (!c->any && !any.failed)
		c->any = compile(context, any.data);
	return c->any;
}

/* Compiles what is not compiled yet; ERR_NOMEM: what is missing is tried again the next time. */
static int ensure_compiled(void)
{
	pcre2_general_context *memory;
	pcre2_compile_context *context;

	pthread_mutex_lock(&compile_lock);
	if (!compile_done) {
		memory = pcre2_general_context_create(allocate, deallocate, NULL);
		context = memory ? pcre2_compile_context_create(memory) : NULL;
		compile_done = context;
		for (int i = 0; i < LISTS && compile_done; i++)
			compile_done = compile_list(context, &lists[i], &compiled[i]);
		pcre2_compile_context_free(context);
		pcre2_general_context_free(memory);
	}
	pthread_mutex_unlock(&compile_lock);
	return compile_done ? 0 : ERR_NOMEM;
}

/* ---- searching ---- */

/* What a search needs; made for one judgement. */
struct searcher {
	struct arena *arena;
	pcre2_general_context *memory;
	pcre2_match_context *limits;
	pcre2_match_data *data;
};

static void searcher_finish(struct searcher *s)
{
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->limits);
	pcre2_general_context_free(s->memory);
}

static int searcher_init(struct searcher *s, struct arena *arena)
{
	int r = ensure_compiled();

	*s = (struct searcher){ .arena = arena };
	if (r < 0)
		return r;
	s->memory = pcre2_general_context_create(allocate, deallocate, NULL);
	s->limits = s->memory ? pcre2_match_context_create(s->memory) : NULL;
	s->data = s->limits ? pcre2_match_data_create(1, s->memory) : NULL;
	if (!s->data)
		return ERR_NOMEM;
	pcre2_set_match_limit(s->limits, MATCH_LIMIT);
	pcre2_set_heap_limit(s->limits, HEAP_LIMIT_KIB);
	return 0;
}

/* Whether the pattern is in the text; one that cannot be decided counts as found. */
static bool found(const struct searcher *s, const pcre2_code *code, struct str text)
{
	return pcre2_match(code, (PCRE2_SPTR)text.s, text.len, 0, PCRE2_NO_UTF_CHECK, s->data, s->limits) != PCRE2_ERROR_NOMATCH;
}

static struct str first_chars(struct str text, size_t chars)
{
	size_t end = 0;

	while (end < text.len && chars) {
		end++;
		while (end < text.len && ((unsigned char)text.s[end] & 0xc0) == 0x80)
			end++;
		chars--;
	}
	return (struct str){ text.s, end };
}

/* The text in small letters, in the arena; .s NULL without memory. */
static struct str lowered(struct arena *arena, struct str text)
{
	utf8proc_uint8_t *out = arena_alloc(arena, text.len * 2 + 1);
	size_t n = 0;

	if (!out)
		return (struct str){ NULL, 0 };
	for (size_t at = 0; at < text.len;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text.s + at, (utf8proc_ssize_t)(text.len - at), &c);

		if (used <= 0)
			break;
		n += (size_t)utf8proc_encode_char(utf8proc_tolower(c), out + n);
		at += (size_t)used;
	}
	return (struct str){ (const char *)out, n };
}

/* The hits of one list, as they are collected. */
struct hits {
	const struct list *list;
	const struct compiled *codes;
	struct charter_hit *items;
	size_t n;
};

static int search_text(const struct searcher *s, struct hits *hits, const char *field, struct str text, size_t snippet_chars)
{
	struct str snippet = first_chars(text, snippet_chars);

	if (!found(s, hits->codes->any, text))
		return 0;
	if (hits->list->lowered)
		snippet = lowered(s->arena, snippet);
	if (!hits->items)
		hits->items = arena_alloc(s->arena, 2 * hits->list->n * sizeof(*hits->items));
	if (!snippet.s || !hits->items)
		return ERR_NOMEM;
	for (size_t i = 0; i < hits->list->n; i++) {
		if (!found(s, hits->codes->each[i], text))
			continue;
		hits->items[hits->n++] = (struct charter_hit){ field, hits->list->patterns[i].shown, snippet };
		if (hits->list->first_only)
			break;
	}
	return 0;
}

static int search_list(const struct searcher *s, enum list_id id, const struct charter_subject *subject, struct str both, struct hits *hits)
{
	int r;

	*hits = (struct hits){ .list = &lists[id], .codes = &compiled[id] };
	if (!lists[id].each_field)
		return search_text(s, hits, NULL, both, TEXT_CHARS);
	r = search_text(s, hits, "title", subject->title, TITLE_CHARS);
	return r < 0 ? r : search_text(s, hits, "description", subject->description, TEXT_CHARS);
}

/* ---- judging ---- */

enum severity { SEVERITY_CRITICAL, SEVERITY_WARNING, SEVERITY_INFO };

static const struct criterion {
	const char *name;
	enum severity severity;
	const char *message;
} criteria[CHARTER_COUNT] = {
#define CRITERION(name, severity, message) { #name, SEVERITY_##severity, message },
	CHARTER_CRITERIA(CRITERION)
#undef CRITERION
};

static bool given(struct str text)
{
	return text.s && text.len;
}

static void judge_facts(const struct charter_subject *subject, struct charter_verdict *v)
{
	v->findings[CHARTER_status_published_only].passed = true;
	v->findings[CHARTER_status_workflow_valid].passed = true;
	v->findings[CHARTER_has_source].passed = given(subject->external_url) || given(subject->file);
	v->findings[CHARTER_has_license].passed = false; /* there is no such column */
	v->findings[CHARTER_auditlog_exists].passed = subject->audited;
	v->findings[CHARTER_published_by_tracked].passed = subject->published_by_known;
}

static int judge_language(const struct searcher *s, const struct charter_subject *subject, struct charter_verdict *v)
{
	static const enum charter_criterion of_list[LISTS] = {
		[LIST_A] = CHARTER_no_financial_language,
		[LIST_B] = CHARTER_no_monetary_symbols,
		[LIST_C] = CHARTER_no_saka_eur_conversion,
		[LIST_D] = CHARTER_no_financial_promises,
	};
	char *both = arena_printf(s->arena, "%.*s %.*s", STR_ARG(subject->title), STR_ARG(subject->description));
	struct hits hits;
	int r = both ? 0 : ERR_NOMEM;

	for (int i = 0; i < LISTS && r == 0; i++) {
		struct charter_finding *finding = &v->findings[of_list[i]];

		r = search_list(s, (enum list_id)i, subject, str_of(both), &hits);
		finding->passed = hits.n == 0;
		finding->hits = hits.items;
		finding->n_hits = hits.n;
		finding->first_hit_only = lists[i].first_only;
	}
	return r;
}

static void count(struct charter_verdict *v)
{
	int all[SEVERITY_INFO + 1] = { 0 }, passed[SEVERITY_INFO + 1] = { 0 };

	for (size_t i = 0; i < CHARTER_COUNT; i++) {
		v->findings[i].criterion = criteria[i].name;
		v->findings[i].message = criteria[i].message;
		v->findings[i].critical = criteria[i].severity == SEVERITY_CRITICAL;
		all[criteria[i].severity]++;
		passed[criteria[i].severity] += v->findings[i].passed;
	}
	v->critical_failures = all[SEVERITY_CRITICAL] - passed[SEVERITY_CRITICAL];
	v->score = (double)passed[SEVERITY_CRITICAL] / all[SEVERITY_CRITICAL] + 0.2 * passed[SEVERITY_WARNING] / all[SEVERITY_WARNING];
	if (v->score > 1)
		v->score = 1;
	if (v->critical_failures)
		v->score = 0;
}

int charter_judge(struct arena *arena, const struct charter_subject *subject, struct charter_verdict *ret_verdict)
{
	struct charter_verdict verdict = { .score = 0 };
	CLEANUP(searcher_finish) struct searcher s = { NULL };
	int r = searcher_init(&s, arena);

	if (r == 0)
		r = judge_language(&s, subject, &verdict);
	if (r < 0)
		return r;
	judge_facts(subject, &verdict);
	count(&verdict);
	*ret_verdict = verdict;
	return 0;
}

int charter_financial_language(struct arena *arena, const struct charter_subject *subject, struct charter_hit **ret_hits, size_t *ret_n)
{
	CLEANUP(searcher_finish) struct searcher s = { NULL };
	struct hits hits;
	int r = searcher_init(&s, arena);

	if (r == 0)
		r = search_list(&s, LIST_A, subject, (struct str){ NULL, 0 }, &hits);
	if (r < 0)
		return r;
	*ret_hits = hits.items;
	*ret_n = hits.n;
	return 0;
}
