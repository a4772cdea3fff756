/*
 * An oracle is a line of the registry and a function that measures. A report is written once as JSON; what the 4P scores
 * need is read back from that text, whether it was just written or came from the cache: one way, and a stored text that
 * cannot be read is a miss.
 *
 * In the cache a line stands before the JSON: the mark, 32 hexadecimal digits of a SHA-256 over what was read from.
 */
#include "domain/oracle_impl.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"

#define MARK_DIGITS 32

/* ---- the two oracles ---- */

/* In [0, 1), of 53 bits. */
static int random_fraction(double *ret_value)
{
	uint64_t bits;
	int r = random_bytes(&bits, sizeof(bits));

	*ret_value = r < 0 ? 0 : (double)(bits >> 11) * 0x1p-53;
	return r;
}

static double base_kg(struct str category)
{
	static const struct {
		struct str name;
		double kg;
	} table[] = { { STR("energie"), 500 }, { STR("transport"), 300 }, { STR("agriculture"), 200 },
		      { STR("foret"), 1000 },  { STR("eau"), 150 },       { STR("dechet"), 250 } };

	for (size_t i = 0; i < N_ELEMENTS(table); i++)
		if (category.s && str_equal_nocase(category, table[i].name))
			return table[i].kg;
	return 100;
}

static int measure_co2(const struct oracle_subject *subject, struct reading *reading)
{
	double fraction = 0, kg;
	int r = random_fraction(&fraction);

	if (r < 0)
		return r;
	kg = round(base_kg(subject->categorie) * (0.8 + 0.4 * fraction) * 100) / 100;
	reading->metrics[0] = (struct metric){ "co2_avoided_kg", P3, false, kg };
	reading->metrics[1] = (struct metric){ "co2_score", P3, true, fmin(100, floor(kg / 10)) };
	reading->n_metrics = 2;
	reading->made_raw[0] = true;
	reading->category = subject->categorie.len ? subject->categorie : (struct str)STR("autre");
	return 0;
}

static int measure_social(const struct oracle_subject *subject, struct reading *reading)
{
	size_t length = str_count_chars(subject->description), tens = length / 10, hundreds = length / 100;
	double people = fmin(1000, (double)tens), jobs = fmin(50, (double)hundreds);

	reading->metrics[0] = (struct metric){ "people_impacted", P3, true, people };
	reading->metrics[1] = (struct metric){ "jobs_created", P3, true, jobs };
	reading->metrics[2] = (struct metric){ "social_impact_score", P3, true, fmin(100, floor(people / 10) + 2 * jobs) };
	reading->metrics[3] = (struct metric){ "purpose_alignment", P4, false, fmin(1, people / 1000 * 0.5 + jobs / 50 * 0.5) };
	reading->n_metrics = 4;
	reading->made_raw[0] = reading->made_raw[1] = true;
	return 0;
}

static struct oracle_info infos[] = {
	{
	        STR("co2_avoided"),
	        STR("CO₂ évité"),
	        STR("Estimation simulée des émissions de CO₂ évitées, selon la catégorie du projet."),
	        { STR("[\"P3\"]") },
	        { STR("[\"api_endpoint\",\"api_key\",\"timeout\",\"cache_duration\"]") },
	},
	{
	        STR("social_impact"),
	        STR("Impact social"),
	        STR("Estimation simulée des personnes touchées et des emplois créés, selon la description du projet."),
	        { STR("[\"P3\",\"P4\"]") },
	        { STR("[\"api_endpoint\",\"api_key\",\"timeout\"]") },
	},
};

/* In the order of infos. */
static const struct oracle oracles[] = { { 0.7, measure_co2 }, { 0.6, measure_social } };
_Static_assert(sizeof(oracles) / sizeof(oracles[0]) == sizeof(infos) / sizeof(infos[0]), "one oracle a line of the registry");

struct db_rows oracle_registry(void)
{
	return (struct db_rows){ infos, N_ELEMENTS(infos) };
}

static const struct oracle *find_oracle(struct str id)
{
	for (size_t i = 0; i < N_ELEMENTS(infos); i++)
		if (str_equal(infos[i].oracle_id, id))
			return &oracles[i];
	return NULL;
}

struct str oracle_id(const struct oracle *oracle)
{
	return infos[oracle - oracles].oracle_id;
}

/* ---- a report ---- */

static bool has_id(const struct report *report, struct str id)
{
	for (size_t i = 0; i < report->n; i++)
		if (str_equal(report->ids[i], id))
			return true;
	return false;
}

static int take_readings(const json_t *active, const struct oracle_subject *subject, struct report *report)
{
	report->active = json_array_size(active);
	for (size_t i = 0; i < report->active && i < ORACLES_MAX; i++) {
		const json_t *item = json_array_get(active, i);
		struct str id = { json_string_value(item), json_string_length(item) };
		struct reading *reading = &report->readings[report->n];
		int r;

		if (!id.s || has_id(report, id))
			continue;
		reading->oracle = find_oracle(id);
		r = reading->oracle ? reading->oracle->measure(subject, reading) : 0;
		if (r < 0)
			return r;
		report->ids[report->n++] = id;
	}
	return 0;
}

/* ---- through the cache ---- */

static void add_part(struct buf *b, struct str part)
{
	buf_addf(b, "%zu:", part.s ? part.len + 1 : 0);
	buf_add_str(b, part);
}

static int make_mark(const struct oracle_subject *subject, char ret_mark[MARK_DIGITS + 1])
{
	struct buf parts CLEANUP(buf_finish) = BUF_EMPTY;
	unsigned char digest[SHA256_DIGEST_LENGTH];

	add_part(&parts, subject->categorie);
	add_part(&parts, subject->description);
	add_part(&parts, subject->active_oracles.text);
	if (parts.failed)
		return ERR_NOMEM;
	SHA256((const unsigned char *)parts.data, parts.len, digest);
	for (size_t i = 0; i < MARK_DIGITS / 2; i++)
		snprintf(ret_mark + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int keep(struct arena *arena, struct str json, struct oracle_report *ret_report)
{
	ret_report->json = arena_str(arena, json);
	return ret_report->json.s ? 0 : ERR_NOMEM;
}

/* 1 when the cache had a report made from the same; 0 when not. */
static int find_stored(struct cache *cache, struct redis_budget *budget, const char *key, const char *mark, struct arena *arena,
                       struct oracle_report *ret_report)
{
	struct blob *stored CLEANUP(blob_unrefp) = safe_cache_get(cache, budget, key);
	struct str json = blob_view(stored);
	int r;

	if (json.len <= MARK_DIGITS + 1 || !str_starts(json, mark))
		return 0;
	json.s += MARK_DIGITS + 1;
	json.len -= MARK_DIGITS + 1;
	if (!report_read_scores(json, &ret_report->scores))
		return 0;
	r = keep(arena, json, ret_report);
	return r < 0 ? r : 1;
}

static int make_report(const json_t *active, const struct oracle_subject *subject, struct buf *b)
{
	struct report report = { .now = clock_now() };
	int r = take_readings(active, subject, &report);

	if (r < 0)
		return r;
	report_add(b, &report);
	return b->failed ? ERR_NOMEM : 0;
}

static int consult(struct cache *cache, struct redis_budget *budget, struct arena *arena, const json_t *active,
                   const struct oracle_subject *subject, struct oracle_report *ret_report)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	char key[64], mark[MARK_DIGITS + 1];
	struct str json;
	int r = make_mark(subject, mark);

	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "oracle_data:project:%" PRId64, subject->project_id);
	r = json_array_size(active) ? find_stored(cache, budget, key, mark, arena, ret_report) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	buf_addf(&b, "%s\n", mark);
	r = make_report(active, subject, &b);
	if (r < 0)
		return r;
	json = (struct str){ b.data + MARK_DIGITS + 1, b.len - MARK_DIGITS - 1 };
	if (!report_read_scores(json, &ret_report->scores))
		return ERR_NOMEM;
	if (json_array_size(active))
		safe_cache_set(cache, budget, key, b.data, b.len, ORACLE_TTL_S);
	return keep(arena, json, ret_report);
}

static json_t *read_active(struct json_text active_oracles)
{
	return active_oracles.text.s ? json_loadb(active_oracles.text.s, active_oracles.text.len, 0, NULL) : NULL;
}

bool oracle_list_is_valid(struct json_text active_oracles)
{
	json_t *list = read_active(active_oracles);
	bool valid = json_is_array(list);

	for (size_t i = 0; i < json_array_size(list) && valid; i++)
		valid = json_is_string(json_array_get(list, i));
	json_decref(list);
	return valid;
}

bool oracle_any_active(struct json_text active_oracles)
{
	json_t *active = read_active(active_oracles);
	bool any = json_array_size(active) > 0;

	json_decref(active);
	return any;
}

int oracle_consult(struct cache *cache, struct redis_budget *budget, struct arena *arena, const struct oracle_subject *subject,
                   struct oracle_report *ret_report)
{
	json_t *active = read_active(subject->active_oracles);
	int r = consult(cache, budget, arena, active, subject, ret_report);

	json_decref(active);
	return r;
}
