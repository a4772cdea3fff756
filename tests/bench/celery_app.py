"""
The other side of the measures of tasks: Celery with the settings of the product (tasks.md 1), its worker and its producer.

    celery -A celery_app worker …              the worker
    python celery_app.py SECONDS QUEUE         a producer: calls delay in a loop, prints calls per second
"""

import os
import sys
import time

from celery import Celery

URL = os.environ["CELERY_BROKER_URL"]

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(task_serializer="json", accept_content=["json"], result_serializer="json", timezone="UTC", enable_utc=True,
                worker_prefetch_multiplier=4, task_acks_late=True, task_reject_on_worker_lost=True, broker_connection_retry_on_startup=True,
                worker_send_task_events=os.environ.get("CELERY_SEND_EVENTS") == "1")


@app.task(name="interop.add")
def add(x, y):
    return x + y


def produce(seconds, queue):
    app.conf.task_default_queue = queue
    add.delay(1, 2)  # connects
    sent, started = 0, time.monotonic()
    while time.monotonic() - started < seconds:
        add.delay(1, 2)
        sent += 1
    print(sent / (time.monotonic() - started))


if __name__ == "__main__":
    produce(float(sys.argv[1]), sys.argv[2])
