/* The words of the column out of api/routes.def and of api/openapi.def, as struct answer (api/route.h). */
#ifndef API_ANSWERS_IMPL_H
#define API_ANSWERS_IMPL_H

/* clang-format off */
#define OUT_OBJECT(table)       { ANSWER_OBJECT, 200, &table, #table, NULL }
#define OUT_CREATED(table)      { ANSWER_OBJECT, 201, &table, #table, NULL }
#define OUT_ACCEPTED(table)     { ANSWER_OBJECT, 202, &table, #table, NULL }
#define OUT_MANY(table)         { ANSWER_MANY, 200, &table, #table, NULL }
#define OUT_PAGE(table)         { ANSWER_PAGE, 200, &table, #table, NULL }
#define OUT_MANY_OR_PAGE(table) { ANSWER_MANY_OR_PAGE, 200, &table, #table, NULL }
#define OUT_DETAIL              { ANSWER_OBJECT, 400, &detail_shape, "detail_shape", NULL }
#define OUT_ERROR               { ANSWER_OBJECT, 400, &error_shape, "error_shape", NULL }
#define OUT_EMPTY               { ANSWER_EMPTY, 204, NULL, NULL, NULL }
#define OUT_TEXT(type)          { ANSWER_TEXT, 200, NULL, NULL, type }
#define OUT_NOTHING             { ANSWER_NOTHING, 0, NULL, NULL, NULL }
/* clang-format on */

#endif
