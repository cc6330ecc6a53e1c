/* scan.c - see scan.h. */
#include "raft/wal/scan.h"
#include "proto/base/planted.h"

/* A header is believed only where it says it lies, in the log and the segment
 * it names: a file's earlier life, a misdirected write and a stored value that
 * looks like a header all fail one of these. */
bool wal_scan_at(const struct wal_scan *s, uint32_t at, struct wal_header *h)
{
    if (at > s->bytes.size || s->bytes.size - at < WAL_BLOCK)
        return false;
    return wal_header_decode(slice_of(s->bytes.data + at, WAL_BLOCK), h) ==
               WAL_HEADER_OURS &&
           !memcmp(h->log_id, s->log_id, WAL_LOG_ID_BYTES) &&
           (h->segment == s->segment || PLANTED(OLD_LIFE)) &&
           h->offset == at &&
           h->number > s->number && h->length <= s->bytes.size - at;
}

bool wal_scan_next(struct wal_scan *s, struct wal_header *h, uint32_t *from)
{
    *from = s->at;
    for (uint64_t at = s->at; at + WAL_BLOCK <= s->bytes.size;
         at += WAL_BLOCK) {
        if (!wal_scan_at(s, (uint32_t)at, h))
            continue;
        s->number = h->number;
        s->at = (uint32_t)at + h->length;
        return true;
    }
    return false;
}
