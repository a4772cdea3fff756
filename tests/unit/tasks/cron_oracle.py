#!/usr/bin/env python3
"""What Celery's crontab makes of expressions: the lines of cron_oracle.def. Needs Celery; usage: cron_oracle.py > cron_oracle.def"""

import random
from datetime import datetime, timedelta, timezone

from celery.schedules import crontab

EXPRESSIONS = [
    "0 3 * * 1", "0 4 1 * *", "0 2 * * *", "30 3 * * 1", "0 * * * *", "30 2 * * *", "30 4 * * *", "* * * * *", "*/5 * * * *",
    "*/7 */5 * * *", "0,15,45 8-17 * * mon-fri", "59 23 31 12 *", "0 0 29 2 *", "0 0 31 * *", "0 0 13 * 5", "0 6 * jan,jul-SEP *",
    "10-50/20 1-23/3 * * *", "0 22-3 * * *", "0 0 * * fri-mon", "0 0 28-2 * *", "0 12 * 11-2 sun", "1-3,58-1 0 * * *",
]


def fits(schedule, day):
    return (day.isoweekday() % 7 in schedule.day_of_week and day.day in schedule.day_of_month and day.month in schedule.month_of_year)


def minutes(schedule):
    return sorted(60 * h + m for h in schedule.hour for m in schedule.minute)


def following(schedule, after):
    """The first fitting minute after it, and the last not after it."""
    wanted = minutes(schedule)
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    last = following_one = None
    for step in range(0, 30 * 366):
        day = midnight + timedelta(days=step)
        if following_one is None and fits(schedule, day):
            following_one = next((t for t in (day + timedelta(minutes=m) for m in wanted) if t > after), None)
        day = midnight - timedelta(days=step)
        if last is None and fits(schedule, day):
            last = next((t for t in (day + timedelta(minutes=m) for m in reversed(wanted)) if t <= after), None)
        if last and following_one:
            break
    return following_one, last


def main():
    random.seed(6)
    print("/* Made by cron_oracle.py from Celery's crontab: ORACLE(expression, an instant, the next time after it, the last until it). */")
    for expression in EXPRESSIONS:
        m, h, dom, month, dow = expression.split()
        schedule = crontab(minute=m, hour=h, day_of_month=dom, month_of_year=month, day_of_week=dow)
        for _ in range(6):
            after = datetime.fromtimestamp(random.randrange(1_600_000_000, 2_000_000_000), timezone.utc)
            if random.random() < 0.3:
                after = following(schedule, after)[0] or after
            following_one, last = following(schedule, after)
            print(f'ORACLE("{expression}", "{after:%Y-%m-%d %H:%M:%S}", "{following_one:%Y-%m-%d %H:%M:%S}", "{last:%Y-%m-%d %H:%M:%S}")')


main()
