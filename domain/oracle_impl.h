/* Oracles: what measuring (oracle.c) and writing a report (oracle_report.c) share. */
#ifndef DOMAIN_ORACLE_IMPL_H
#define DOMAIN_ORACLE_IMPL_H

#include "base/buf.h"
#include "domain/oracle.h"

#define METRICS_MAX 4

enum dimension { P3, P4, DIMENSIONS };

struct metric {
	const char *name;
	enum dimension dimension;
	bool whole; /* an integer in JSON */
	double value;
};

/* What one oracle says. */
struct reading {
	const struct oracle *oracle;
	struct metric metrics[METRICS_MAX];
	size_t n_metrics;
	struct str category;        /* as raw data has it; absent: has none */
	bool made_raw[METRICS_MAX]; /* which metrics stand in the raw data too */
};

struct oracle {
	double confidence;
	/* Fills the metrics. ERR_IO. */
	int (*measure)(const struct oracle_subject *, struct reading *);
};

/* What the active oracles of a project say. */
struct report {
	struct str ids[ORACLES_MAX]; /* each once, in their order */
	struct reading readings[ORACLES_MAX];
	size_t n;
	size_t active; /* length of the list */
	struct instant now;
};

/* The id of a registered oracle. */
struct str oracle_id(const struct oracle *);

/* Appends the report as JSON. */
void report_add(struct buf *, const struct report *);

/* Reads from its JSON what the scores need; false when the text is not a report. */
bool report_read_scores(struct str json, struct oracle_scores *ret_scores);

#endif
