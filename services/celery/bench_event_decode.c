/* What decoding costs: the messages that a real Celery sent (tests/data/celery),
 * decoded again and again.
 *
 *   bench_event_decode [seconds] FILE...    one JSON object with a "payload" per line */
#include "services/celery/event/event.h"
#include "services/common/text/time.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MESSAGES_MAX = 10000 };

static struct kn_str messages[MESSAGES_MAX];
static size_t message_count;

static void load(const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    if (!f) {
        perror(path);
        exit(1);
    }
    while (message_count < MESSAGES_MAX && getline(&line, &room, f) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        const char *payload = json_string_value(json_object_get(object, "payload"));
        if (payload)
            messages[message_count++] = kn_str_from(strdup(payload));
        json_decref(object);
    }
    free(line);
    fclose(f);
}

static size_t decode(struct kn_str payload, struct kn_arena *arena, int64_t now_us)
{
    struct celery_events events;
    kn_arena_reset(arena);
    if (celery_event_decode_envelope(payload, NULL, now_us, arena, &events) != KN_OK) {
        fprintf(stderr, "the arena is full\n");
        exit(1);
    }
    return events.count;
}

/* µs of processor time: what else the machine does must not count. */
static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * KN_SECOND + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    int64_t seconds = 0;
    int first = 1;
    if (argc > 1 && kn_str_to_i64(kn_str_from(argv[1]), &seconds))
        first = 2;
    for (int i = first; i < argc; i++)
        load(argv[i]);
    if (message_count == 0) {
        fprintf(stderr, "no messages: name files of tests/data/celery\n");
        return 1;
    }
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    int64_t now_us = kn_time_now() + 3650 * KN_DAY; /* recorded in another time */
    int64_t start = cpu_us(), end = start + (seconds ? seconds : 2) * KN_SECOND, now;
    size_t events = 0, bytes = 0, rounds = 0;
    do {
        for (size_t i = 0; i < message_count; i++) {
            events += decode(messages[i], &arena, now_us);
            bytes += messages[i].len;
        }
        rounds++;
        now = cpu_us();
    } while (now < end);
    double took = (double)(now - start);
    printf("%zu messages, %zu events a round, %.0f bytes an event: %.0f ns/event, %.0f MB/s\n",
           message_count, events / rounds, (double)bytes / (double)events,
           took * 1000 / (double)events, (double)bytes / took);
    kn_arena_fini(&arena);
    for (size_t i = 0; i < message_count; i++)
        free((void *)messages[i].ptr);
    return 0;
}
