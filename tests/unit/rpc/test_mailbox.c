/* test_mailbox.c - letters between threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "proto/base/bytes.h"
#include "rpc/mailbox.h"

struct note {
    struct letter letter;
    unsigned sender;
    unsigned number;
};

enum { SENDERS = 4, EACH = 5000 };

struct inbox {
    unsigned batches;
    unsigned count;
    unsigned next[SENDERS];
};

/* Each sender's letters must come in his order. */
static void sort_in(struct inbox *in, struct letters *l)
{
    struct letter *letter;

    in->batches++;
    while ((letter = letters_pop(l))) {
        struct note *n = CONTAINER_OF(letter, struct note, letter);
        assert_int_equal(n->number, in->next[n->sender]);
        in->next[n->sender]++;
        in->count++;
    }
    assert_int_equal(l->count, 0);
}

static void on_letters(struct mailbox *m, struct letters *l, void *user)
{
    (void)m;
    sort_in(user, l);
}

static void a_chain_gives_back_what_was_pushed(void **state)
{
    struct letters l = {0};
    struct letter a, b;

    (void)state;
    assert_null(letters_pop(&l));
    letters_push(&l, &a);
    letters_push(&l, &b);
    assert_int_equal(l.count, 2);
    assert_ptr_equal(letters_pop(&l), &a);
    letters_push(&l, &a);
    assert_ptr_equal(letters_pop(&l), &b);
    assert_ptr_equal(letters_pop(&l), &a);
    assert_null(letters_pop(&l));
    assert_null(l.last);
}

/* A wake-up is a system call and wakes a core: one for all that is there. */
static void letters_of_one_turn_come_as_one_batch(void **state)
{
    struct note notes[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct inbox in = {0};
    struct mailbox *m;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    m = mailbox_new(&loop, 10, on_letters, &in);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(mailbox_post(m, &notes[i].letter), STATUS_OK);
    assert_int_equal(in.count, 0);
    uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(in.count, 3);
    assert_int_equal(in.batches, 1);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(in.batches, 1);
    mailbox_free(m);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* A single letter into an empty box, again and again: each has to wake. */
static void one_letter_alone_wakes_the_loop(void **state)
{
    struct note note = {0};
    struct inbox in = {0};
    struct mailbox *m;
    uv_loop_t loop;

    (void)state;
    alarm(60);
    assert_int_equal(uv_loop_init(&loop), 0);
    m = mailbox_new(&loop, 10, on_letters, &in);
    for (unsigned i = 0; i < 3; i++) {
        note.number = i;
        assert_int_equal(mailbox_post(m, &note.letter), STATUS_OK);
        while (in.count <= i)
            uv_run(&loop, UV_RUN_ONCE);
    }
    mailbox_free(m);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    alarm(0);
}

static void a_full_mailbox_leaves_the_letters_with_the_sender(void **state)
{
    struct mailbox *m = mailbox_new_waiting(2);
    struct note notes[4] = {{.number = 0}, {.number = 1}};
    struct letters l = {0};

    (void)state;
    assert_int_equal(mailbox_post_all(m, &l), STATUS_OK); /* nothing */
    assert_int_equal(mailbox_post(m, &notes[0].letter), STATUS_OK);
    letters_push(&l, &notes[1].letter);
    letters_push(&l, &notes[2].letter);
    /* All or none: one would fit. */
    assert_int_equal(mailbox_post_all(m, &l), STATUS_BUSY);
    assert_int_equal(l.count, 2);
    assert_ptr_equal(letters_pop(&l), &notes[1].letter);
    assert_int_equal(mailbox_post_all(m, &l), STATUS_OK);
    assert_int_equal(l.count, 0);
    assert_null(l.first);
    assert_int_equal(mailbox_post(m, &notes[3].letter), STATUS_BUSY);
    assert_int_equal(mailbox_wait(m, &l), STATUS_OK);
    assert_int_equal(l.count, 2);
    assert_int_equal(mailbox_post(m, &notes[3].letter), STATUS_OK);
    mailbox_take(m, &l);
    assert_ptr_equal(l.first, &notes[3].letter);
    mailbox_take(m, &l);
    assert_int_equal(l.count, 0);
    mailbox_free(m);
}

/* Stopping a thread: it finishes what was posted, then sees the end. */
static void closing_lets_the_rest_be_read(void **state)
{
    struct mailbox *m = mailbox_new_waiting(5);
    struct note a = {0}, b = {0};
    struct letters l;

    (void)state;
    assert_int_equal(mailbox_post(m, &a.letter), STATUS_OK);
    mailbox_close(m);
    assert_int_equal(mailbox_post(m, &b.letter), STATUS_CLOSED);
    assert_int_equal(mailbox_wait(m, &l), STATUS_OK);
    assert_ptr_equal(l.first, &a.letter);
    assert_int_equal(mailbox_wait(m, &l), STATUS_CLOSED);
    assert_int_equal(l.count, 0);
    mailbox_free(m);
    mailbox_free(NULL);
}

struct sender {
    struct mailbox *m;
    struct note notes[EACH];
};

/* Every third in a chain of two, to mix both ways of posting. */
static void send_all(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < EACH; i++) {
        struct letters l = {0};
        letters_push(&l, &s->notes[i].letter);
        if (i % 3 == 0 && i + 1 < EACH)
            letters_push(&l, &s->notes[++i].letter);
        assert_int_equal(mailbox_post_all(s->m, &l), STATUS_OK);
    }
}

static struct sender *start(struct mailbox *m, uv_thread_t *threads)
{
    struct sender *s = xcalloc(SENDERS, sizeof *s);

    for (unsigned i = 0; i < SENDERS; i++) {
        s[i].m = m;
        for (unsigned k = 0; k < EACH; k++)
            s[i].notes[k] = (struct note){.sender = i, .number = k};
        assert_int_equal(uv_thread_create(&threads[i], send_all, &s[i]), 0);
    }
    return s;
}

/* A lost wake-up would leave the loop asleep with letters in the box. */
static void a_loop_gets_every_letter_of_many_threads(void **state)
{
    uv_thread_t threads[SENDERS];
    struct inbox in = {0};
    struct sender *s;
    struct mailbox *m;
    uv_loop_t loop;

    (void)state;
    alarm(60);
    assert_int_equal(uv_loop_init(&loop), 0);
    m = mailbox_new(&loop, SENDERS * EACH, on_letters, &in);
    s = start(m, threads);
    while (in.count < SENDERS * EACH)
        uv_run(&loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < SENDERS; i++)
        uv_thread_join(&threads[i]);
    mailbox_free(m);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(s);
    alarm(0);
}

static void a_waiting_thread_gets_every_letter_too(void **state)
{
    struct mailbox *m = mailbox_new_waiting(SENDERS * EACH);
    uv_thread_t threads[SENDERS];
    struct inbox in = {0};
    struct letters l;
    struct sender *s;

    (void)state;
    alarm(60);
    s = start(m, threads);
    while (in.count < SENDERS * EACH) {
        assert_int_equal(mailbox_wait(m, &l), STATUS_OK);
        sort_in(&in, &l);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        uv_thread_join(&threads[i]);
    mailbox_free(m);
    free(s);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_gives_back_what_was_pushed),
        cmocka_unit_test(letters_of_one_turn_come_as_one_batch),
        cmocka_unit_test(one_letter_alone_wakes_the_loop),
        cmocka_unit_test(a_full_mailbox_leaves_the_letters_with_the_sender),
        cmocka_unit_test(closing_lets_the_rest_be_read),
        cmocka_unit_test(a_loop_gets_every_letter_of_many_threads),
        cmocka_unit_test(a_waiting_thread_gets_every_letter_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
