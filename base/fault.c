#include "base/fault.h"

#include <stdatomic.h>

static atomic_int countdown[FAULT_POINTS]; /* 0 = not armed */
static atomic_bool repeats[FAULT_POINTS];

void fault_arm(enum fault_point point, int n, bool repeat)
{
	atomic_store(&repeats[point], repeat);
	atomic_store(&countdown[point], n);
}

void fault_disarm_all(void)
{
	for (int i = 0; i < FAULT_POINTS; i++)
		atomic_store(&countdown[i], 0);
}

bool fault_due(enum fault_point point)
{
	int left = atomic_load_explicit(&countdown[point], memory_order_relaxed);

	do {
		if (left == 0)
			return false;
		if (left == 1 && atomic_load(&repeats[point]))
			return true;
	} while (!atomic_compare_exchange_weak(&countdown[point], &left, left - 1));
	return left == 1;
}
