/*
 * The JSON of a report, and back from it the numbers of the scores. A metric's values of all oracles stand together, in
 * the order of the oracles.
 */
#include "domain/oracle_impl.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/json_out.h"

static void add_number(struct buf *b, const struct metric *m)
{
	if (m->whole)
		json_add_int(b, (int64_t)m->value);
	else
		json_add_float(b, m->value);
}

/* A time as oracles write it: UTC, with Z. */
static void add_time_z(struct buf *b, struct instant t)
{
	char text[CLOCK_ISO_SIZE];
	size_t n = clock_format_iso(t, text);

	buf_addf(b, "\"%.*sZ\"", (int)(n - strlen("+00:00")), text);
}

static void add_raw_data(struct buf *b, const struct reading *reading)
{
	buf_add_char(b, '{');
	for (size_t i = 0; i < reading->n_metrics; i++) {
		if (!reading->made_raw[i])
			continue;
		json_add_key(b, reading->metrics[i].name);
		add_number(b, &reading->metrics[i]);
		buf_add_char(b, ',');
	}
	if (reading->category.s) {
		json_add_key(b, "category");
		json_add_str(b, reading->category);
		buf_add_char(b, ',');
	}
	buf_add_text(b, "\"calculation_method\":\"simulated\",\"confidence\":");
	json_add_float(b, reading->oracle->confidence);
	buf_add_char(b, '}');
}

static void add_contributions(struct buf *b, const struct reading *reading, enum dimension dimension)
{
	const char *between = "";

	buf_addf(b, "\"p%d_contributions\":{", dimension == P3 ? 3 : 4);
	for (size_t i = 0; i < reading->n_metrics; i++) {
		if (reading->metrics[i].dimension != dimension)
			continue;
		buf_add_text(b, between);
		json_add_key(b, reading->metrics[i].name);
		add_number(b, &reading->metrics[i]);
		between = ",";
	}
	buf_add_char(b, '}');
}

static void add_reading(struct buf *b, const struct reading *reading, struct instant now)
{
	buf_add_text(b, "{\"data\":{\"raw_data\":");
	add_raw_data(b, reading);
	buf_add_text(b, ",\"timestamp\":");
	add_time_z(b, now);
	buf_add_text(b, ",\"source\":");
	json_add_str(b, oracle_id(reading->oracle));
	buf_add_text(b, ",\"status\":\"success\"},\"metrics\":{");
	for (enum dimension d = P3; d < DIMENSIONS; d++) {
		add_contributions(b, reading, d);
		buf_add_char(b, ',');
	}
	buf_add_text(b, "\"metadata\":{\"last_updated\":");
	add_time_z(b, now);
	buf_add_text(b, ",\"source\":");
	json_add_str(b, oracle_id(reading->oracle));
	buf_add_text(b, ",\"confidence\":");
	json_add_float(b, reading->oracle->confidence);
	buf_add_text(b, ",\"calculation_method\":\"simulated\"}},\"status\":\"success\"}");
}

static void add_readings(struct buf *b, const struct report *report)
{
	buf_add_text(b, "{\"oracles\":{");
	for (size_t i = 0; i < report->n; i++) {
		buf_add_text(b, i ? "," : "");
		json_add_str(b, report->ids[i]);
		buf_add_char(b, ':');
		if (report->readings[i].oracle)
			add_reading(b, &report->readings[i], report->now);
		else
			buf_add_text(b, "{\"status\":\"error\",\"error\":\"Oracle inconnu.\"}");
	}
	buf_add_char(b, '}');
}

/* Whether an oracle before the i-th has a metric of this name. */
static bool seen_before(const struct report *report, size_t i, const char *name)
{
	for (size_t before = 0; before < i; before++)
		for (size_t m = 0; m < report->readings[before].n_metrics; m++)
			if (strcmp(report->readings[before].metrics[m].name, name) == 0)
				return true;
	return false;
}

/* "name":[{"value","source"},…] of all oracles from the i-th on. */
static void add_values(struct buf *b, const struct report *report, size_t i, const char *name)
{
	const char *between = "";

	json_add_key(b, name);
	buf_add_char(b, '[');
	for (; i < report->n; i++)
		for (size_t m = 0; m < report->readings[i].n_metrics; m++) {
			if (strcmp(report->readings[i].metrics[m].name, name) != 0)
				continue;
			buf_addf(b, "%s{\"value\":", between);
			add_number(b, &report->readings[i].metrics[m]);
			buf_add_text(b, ",\"source\":");
			json_add_str(b, oracle_id(report->readings[i].oracle));
			buf_add_char(b, '}');
			between = ",";
		}
	buf_add_char(b, ']');
}

static void add_aggregate(struct buf *b, const struct report *report, enum dimension dimension)
{
	const char *between = "";

	buf_addf(b, "\"p%d_contributions\":{", dimension == P3 ? 3 : 4);
	for (size_t i = 0; i < report->n; i++)
		for (size_t m = 0; m < report->readings[i].n_metrics; m++) {
			const struct metric *metric = &report->readings[i].metrics[m];

			if (metric->dimension != dimension || seen_before(report, i, metric->name))
				continue;
			buf_add_text(b, between);
			add_values(b, report, i, metric->name);
			between = ",";
		}
	buf_add_char(b, '}');
}

static size_t count_successes(const struct report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n; i++)
		n += report->readings[i].oracle != NULL;
	return n;
}

void report_add(struct buf *b, const struct report *report)
{
	add_readings(b, report);
	buf_add_text(b, ",\"aggregated_metrics\":{");
	add_aggregate(b, report, P3);
	buf_add_char(b, ',');
	add_aggregate(b, report, P4);
	buf_add_text(b, "},\"metadata\":{\"last_updated\":");
	json_add_time(b, report->now);
	buf_addf(b, ",\"oracles_count\":%zu,\"success_count\":%zu}}", report->active, count_successes(report));
}

/* ---- scores ---- */

/* The sum of the values of a metric, and how many there are. */
static double sum_values(const json_t *aggregated, const char *dimension, const char *name, size_t *ret_n)
{
	const json_t *list = json_object_get(json_object_get(aggregated, dimension), name);
	double sum = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		sum += json_number_value(json_object_get(json_array_get(list, i), "value"));
	*ret_n = json_array_size(list);
	return sum;
}

static double mean_value(const json_t *aggregated, const char *dimension, const char *name)
{
	size_t n;
	double sum = sum_values(aggregated, dimension, name, &n);

	return n ? sum / (double)n : 0;
}

bool report_read_scores(struct str json, struct oracle_scores *ret_scores)
{
	json_t *root = json_loadb(json.s, json.len, 0, NULL);
	const json_t *aggregated = json_object_get(root, "aggregated_metrics");
	bool fine = json_is_object(aggregated) && json_is_object(json_object_get(root, "oracles"));
	size_t n;

	if (fine)
		*ret_scores = (struct oracle_scores){
			.co2_avoided_kg = sum_values(aggregated, "p3_contributions", "co2_avoided_kg", &n),
			.social_impact_score = mean_value(aggregated, "p3_contributions", "social_impact_score"),
			.purpose_alignment = mean_value(aggregated, "p4_contributions", "purpose_alignment"),
		};
	json_decref(root);
	return fine;
}
