#include "base/settings_impl.h"

#define SECRET_KEY_LEAST_CHARS 32

/* Stands for rules that concern production only: what the product is must not be switched off there by accident. */
static int check_production(const struct settings *s, struct error *err)
{
	if (!s->enable_saka)
		return error_set(err, ERR_CONFIG, "ENABLE_SAKA=false: must be true in production (DEBUG off)");
	if (!s->saka_compost_enabled)
		return error_set(err, ERR_CONFIG, "SAKA_COMPOST_ENABLED=false: must be true in production (DEBUG off)");
	if (!s->saka_silo_redis_enabled)
		return error_set(err, ERR_CONFIG, "SAKA_SILO_REDIS_ENABLED=false: must be true in production (DEBUG off)");
	if (s->e2e_test_mode)
		return error_set(err, ERR_CONFIG, "E2E_TEST_MODE=true: not allowed in production (DEBUG off)");
	if ((s->railway_environment || s->railway_project_id) && s->hosts.n == 0)
		return error_set(err, ERR_CONFIG,
		                 "ALLOWED_HOSTS=: on Railway in production, ALLOWED_HOSTS or RAILWAY_PUBLIC_DOMAIN must be set");
	return 0;
}

int settings_check_serving(const struct settings *s, struct error *err)
{
	size_t chars = str_count_chars(str_of(s->secret_key));

	if (chars == 0)
		return error_set(err, ERR_CONFIG, "DJANGO_SECRET_KEY is not set: a random text of at least 50 characters is required");
	if (s->debug)
		return 0;
	if (chars < SECRET_KEY_LEAST_CHARS)
		return error_set(err, ERR_CONFIG,
		                 "DJANGO_SECRET_KEY=***: %zu characters, at least %d are required in production (DEBUG off)", chars,
		                 SECRET_KEY_LEAST_CHARS);
	return check_production(s, err);
}
