/* test_redis_server.c - what the node tells Redis clients of itself, and what
 * they tell it of themselves. */
#include "tests/unit/node/front/redis_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must_contain(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in:\n%s", part, text);
}

/* Would break: RESP3 clients, which begin with HELLO 3. */
static void hello_chooses_the_version(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "get nothing\r\nhello 3 setname me\r\n",
         "$-1\r\n%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
         "$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:");
    talk_close(fd);
    fd = talk_open();
    talk(fd, "hello 4\r\n", "-NOPROTO unsupported protocol version\r\n");
    talk(fd, "hello x\r\n",
         "-ERR Protocol version is not an integer or out of range\r\n");
    talk(fd, "hello 3 foo\r\n",
         "-ERR Syntax error in HELLO option 'foo'\r\n");
    talk(fd, "hello 3 setname \"a b\"\r\n",
         "-ERR Client names cannot contain spaces, newlines or special "
         "characters.\r\n");
    talk_send(fd, "hello 3 auth default x\r\n");
    talk_expect(fd, "-ERR HELLO AUTH is refused: ");
    talk_close(fd);
}

/* Would break: nulls of the wrong version; commands that were sent before HELLO
 * have to be answered in the version of then. */
static void nulls_are_those_of_the_version(void **state)
{
    int fd = talk_open();
    char reply[500];

    (void)state;
    talk_send(fd, "get nothing\r\nhello 3\r\n");
    talk_expect(fd, "$-1\r\n%7\r\n");
    for (unsigned i = 0; i < 14; i++)
        talk_read_reply(fd, reply, sizeof reply);
    talk(fd, "get nothing\r\n", "_\r\n");
    talk(fd, "mget a b\r\n", "*2\r\n_\r\n_\r\n");
    talk(fd, "config get save\r\n", "%1\r\n$4\r\nsave\r\n$0\r\n\r\n");
    talk(fd, "reset\r\nget nothing\r\n", "+RESET\r\n$-1\r\n");
    talk(fd, "config get save\r\n", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
    talk_close(fd);
}

/* Would break: clients name themselves and ask who they are. */
static void a_client_can_say_who_it_is(void **state)
{
    int fd = talk_open();
    char reply[2000];

    (void)state;
    talk(fd, "client getname\r\n", "$-1\r\n");
    talk(fd, "client setname me\r\nclient getname\r\n",
         "+OK\r\n$2\r\nme\r\n");
    talk(fd, "client setinfo lib-name lib\r\nclient setinfo LIB-VER 1.2\r\n",
         "+OK\r\n+OK\r\n");
    talk(fd, "client setinfo foo 1\r\n", "-ERR Unrecognized option 'foo'\r\n");
    talk(fd, "client setname 'a b'\r\n",
         "-ERR Client names cannot contain spaces, newlines or special "
         "characters.\r\n");
    talk_send(fd, "client info\r\n");
    talk_read_reply(fd, reply, sizeof reply);
    must_contain(reply, " name=me ");
    must_contain(reply, " lib-name=lib lib-ver=1.2");
    talk(fd, "client\r\n",
         "-ERR wrong number of arguments for 'client' command\r\n");
    talk(fd, "client id x\r\n",
         "-ERR wrong number of arguments for 'client|id' command\r\n");
    talk(fd, "client foo\r\n",
         "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n");
    /* ... which is there. */
    talk(fd, "config help\r\n",
         "*4\r\n+CONFIG <subcommand> [...]. Subcommands are:\r\n"
         "+GET\r\n+SET\r\n+HELP\r\n");
    talk_close(fd);
}

/* Would break: redis-benchmark and client libraries stop at once. */
static void the_questions_of_tools_are_answered(void **state)
{
    int fd = talk_open();
    char reply[8000];

    (void)state;
    talk(fd, "ping\r\nping hi\r\necho hi\r\n",
         "+PONG\r\n$2\r\nhi\r\n$2\r\nhi\r\n");
    talk(fd, "ping a b\r\n",
         "-ERR wrong number of arguments for 'ping' command\r\n");
    talk(fd, "config get appendonly\r\n",
         "*2\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n");
    talk(fd, "config get nothing\r\n", "*0\r\n");
    talk_send(fd, "config set save 1\r\n");
    talk_expect(fd, "-ERR CONFIG SET is refused: ");
    talk_close(fd);
    fd = talk_open();
    talk_send(fd, "info\r\n");
    talk_read_reply(fd, reply, sizeof reply);
    must_contain(reply, "# Server\r\nredis_version:7.0.15\r\n");
    must_contain(reply, "\r\nloading:0\r\n");
    must_contain(reply, "\r\ncluster_enabled:1\r\n");
    talk_send(fd, "info stats replication\r\n");
    talk_read_reply(fd, reply, sizeof reply);
    must_contain(reply, "\r\nrole:master\r\n");
    assert_null(strstr(reply, "redis_version"));
    talk(fd, "select 0\r\n", "+OK\r\n");
    talk(fd, "select 99\r\n", "-ERR DB index is out of range\r\n");
    talk(fd, "select -1\r\n", "-ERR DB index is out of range\r\n");
    talk(fd, "select x\r\n",
         "-ERR value is not an integer or out of range\r\n");
    talk(fd, "readonly\r\nreadwrite\r\n", "+OK\r\n+OK\r\n");
    talk_send(fd, "auth x\r\n");
    talk_expect(fd, "-ERR AUTH <password> called without any password "
                    "configured for the default user.");
    talk_close(fd);
}

/* Would break: clients that route by what COMMAND says. */
static void the_table_of_commands_can_be_read(void **state)
{
    int fd = talk_open();
    char reply[200];

    (void)state;
    talk(fd, "command info get none\r\n",
         "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n"
         ":1\r\n:1\r\n:1\r\n*0\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*1\r\n"
         "+RO\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n"
         "$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n"
         "$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n"
         ":0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n*-1\r\n");
    talk(fd, "command getkeys mset a 1 b 2\r\n",
         "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    talk(fd, "command getkeys ping\r\n",
         "-ERR The command has no key arguments\r\n");
    talk(fd, "command getkeys none\r\n", "-ERR Invalid command specified\r\n");
    talk(fd, "command getkeys get\r\n",
         "-ERR Invalid number of arguments specified for command\r\n");
    talk(fd, "command list filterby pattern ge?\r\n", "*1\r\n$3\r\nget\r\n");
    talk(fd, "command docs get none\r\n",
         "*2\r\n$3\r\nget\r\n*8\r\n$7\r\nsummary\r\n");
    talk_close(fd);
    fd = talk_open();
    talk_send(fd, "command count\r\n");
    talk_read_reply(fd, reply, sizeof reply);
    assert_int_equal(reply[0], ':');
    assert_true(strtol(reply + 1, NULL, 10) > 30);
    talk_close(fd);
}

/* Would break: clients of Redis Cluster find nobody, or only by detours. */
static void the_cluster_can_be_discovered(void **state)
{
    int fd = talk_open();
    char expect[200], reply[2000], id[41];

    (void)state;
    talk(fd, "cluster keyslot foo\r\ncluster keyslot {foo}x\r\n",
         ":12182\r\n:12182\r\n");
    talk_send(fd, "cluster myid\r\n");
    talk_expect(fd, "$40\r\n");
    for (unsigned i = 0; i < 40; i++) {
        char c[2] = "";
        assert_int_equal(read(fd, c, 1), 1);
        assert_non_null(strchr("0123456789abcdef", c[0]));
        id[i] = c[0];
    }
    id[40] = 0;
    talk_expect(fd, "\r\n");
    /* It has told the others its Redis address soon after the start. */
    for (;;) {
        talk_send(fd, "cluster info\r\n");
        talk_read_reply(fd, reply, sizeof reply);
        if (strstr(reply, "cluster_state:ok"))
            break;
    }
    must_contain(reply, "cluster_slots_ok:16384\r\n");
    snprintf(expect, sizeof expect,
             "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:%u\r\n"
             "$40\r\n%s\r\n*0\r\n",
             redis_daemon->redis_port, id);
    talk(fd, "cluster slots\r\n", expect);
    talk_send(fd, "cluster nodes\r\n");
    talk_read_reply(fd, reply, sizeof reply);
    snprintf(expect, sizeof expect, "%s 127.0.0.1:%u@%u myself,master - ", id,
             redis_daemon->redis_port, redis_daemon->peer_port);
    must_contain(reply, expect);
    must_contain(reply, " connected 0-16383\n");
    talk(fd, "cluster shards\r\n",
         "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n");
    talk_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_chooses_the_version),
        cmocka_unit_test(nulls_are_those_of_the_version),
        cmocka_unit_test(a_client_can_say_who_it_is),
        cmocka_unit_test(the_questions_of_tools_are_answered),
        cmocka_unit_test(the_table_of_commands_can_be_read),
        cmocka_unit_test(the_cluster_can_be_discovered),
    };
    return cmocka_run_group_tests(tests, redis_daemon_start,
                                  redis_daemon_stop);
}
