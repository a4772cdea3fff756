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

	if (left == 0)
		return false;
	left = atomic_fetch_sub(&countdown[point], 1);
	if (left != 1)
		return false;
	if (atomic_load(&repeats[point]))
		atomic_store(&countdown[point], 1);
	return true;
}
