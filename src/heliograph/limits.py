"""Every buffer, queue and loop has a limit; these are their defaults, each with its reason.

Units stand last in the names.  A ``Limits`` is made once at start and handed down; tests make their own.
"""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one server allows.  All values are positive integers."""

    # --- before login: an unknown peer gets little
    handshake_ms_max: int = 5_000  #: from accept to the end of the WebSocket handshake
    handshake_bytes_max: int = 16_384  #: a browser with many cookies sends half of it
    handshake_headers_max: int = 128  #: a browser behind two proxies sends 30
    login_ms_max: int = 10_000  #: from the handshake (or accept, on TCP) to CONNECTED
    unauthenticated_bytes_max: int = 65_536  #: held for a session that is not logged in; CONNECT is far smaller

    # --- frames
    command_bytes_max: int = 32  #: the longest command has 11 octets
    header_count_max: int = 100  #: RabbitMQ's clients send fewer than 20
    header_line_bytes_max: int = 8_192
    head_bytes_max: int = 65_536  #: command and all headers of one frame
    body_bytes_max: int = 1_048_576  #: an event has about 400 octets
    parsed_heads_max: int = 32_768  #: process-wide cache of SEND header blocks
    parsed_head_bytes_max: int = 1_024  #: a longer one is parsed each time, so that the cache stays small in octets too
    parsed_head_headers_max: int = 24  #: so is one with more; in memory a header has 200 octets more than on the wire

    # --- names
    routing_key_bytes_max: int = 255  #: AMQP 0-9-1 short string
    event_types_max: int = 1_000  #: an operator's own, beside the sixteen
    event_type_levels_max: int = 16  #: words of a path; it stands in a routing key
    pattern_hashes_max: int = 8  #: '#' in one pattern, after neighbours are merged

    # --- bodies of operator-defined message types
    schema_bytes_max: int = 65_536  #: a JSON Schema; one for an event has 2,000
    schema_cost_max: int = 4_096  #: subschemas that look at one place of a body; 50 to 200 for an event
    schema_steps_max: int = 8_388_608  #: a body's octets times its schema's cost: some 0.2 s at worst

    # --- sessions
    connections_max: int = 16_384
    subscription_id_bytes_max: int = 255  #: it stands three times in every MESSAGE
    subscriptions_max: int = 1_024  #: per connection
    transactions_max: int = 16  #: open at once per connection, as RabbitMQ
    transaction_actions_max: int = 1_024  #: SEND, ACK and NACK in one transaction, as RabbitMQ
    transaction_bytes_max: int = 4_194_304  #: held by the open transactions of one connection
    heartbeat_ms_min: int = 1_000  #: the floor of both directions
    heartbeat_ms_max: int = 2_147_483_647  #: more than any timer of a client can count
    prefetch_count_default: int = 1_000  #: RabbitMQ has no limit here; a client that acknowledges in batches still fits
    prefetch_count_max: int = 5_000
    unacked_bytes_max: int = 16_777_216  #: per subscription; the next delivery waits for an ACK

    # --- sockets
    read_bytes_max: int = 262_144  #: taken from one socket in one turn, so that no publisher keeps the others waiting

    # --- deliveries
    write_bytes_max: int = 262_144  #: handed to one socket in one turn of the loop
    control_bytes_max: int = 65_536  #: RECEIPTs a peer has not read yet; then it is not read from either
    backlog_events_max: int = 65_536  #: references per subscription
    backlog_references_max: int = 2_097_152  #: of all subscriptions of an exchange; the longest let go first
    ring_bytes_max: int = 33_554_432  #: per exchange; a subscription that is further behind has fallen off
    routes_max: int = 32_768  #: cached routing keys per exchange
    busy_poll_us: int = 50  #: looked for the answer to what was just written before going to sleep; 0 never
    linger_ms_max: int = 5_000  #: after an ERROR the peer has this long to read it before the socket goes
    drain_ms_max: int = 5_000  #: after SIGTERM

    # --- durable subscriptions
    durables_max: int = 10_000  #: in all
    durable_expires_ms: int = 604_800_000  #: unused for so long (7 days), one is deleted
    backlog_bytes_max: int = 10_737_418_240  #: of all logs; above it even what durable ones wait for goes
    pending_max: int = 100_000  #: delivered and unsettled, per durable subscription; then it is fed no more
    deliveries_max: int = 20  #: of one event to one subscription; then it is a dead letter, as RabbitMQ's quorum queues
    dead_letters_max: int = 10_000  #: per durable subscription; the oldest goes first
    consumer_timeout_ms_max: int = 1_800_000  #: unacknowledged for so long, as RabbitMQ
    count_batches_max: int = 262_144  #: of a log, looked through to count what matches; under a second, in slices
    count_bytes_max: int = 1_073_741_824  #: likewise, of those batches that must be read for it; log_bytes_max
    counts_max: int = 2  #: at once; the others wait
    dedup_ms_max: int = 600_000  #: how long a publisher's retry is recognised
    dedup_ids_max: int = 100_000  #: per exchange
    dedup_scan_bytes_max: int = 33_554_432  #: of an exchange's log, looked through for dedup ids at start

    # --- credentials
    verifications_max: int = 2  #: argon2 at once in all: 64 MiB and a core each
    verified_ms_max: int = 60_000  #: how long a verified credential is remembered
    verified_max: int = 16_384  #: verified credentials remembered; as many as there are connections
    verifications_waiting_max: int = 1_024  #: different credentials; login_ms_max is over long before their turn
    verifications_waiting_per_login_max: int = 64  #: so that guesses at one login leave room for the others
    credential_bytes_max: int = 1_024  #: a login, or a password; longer ones are wrong
    credentials_max: int = 8  #: valid ones of one principal: a wrong password is compared with that many at most
    partner_connections_max: int = 12_288  #: on one server; a quarter of all is left for the others
    partner_subscriptions_max: int = 65_536  #: on one server
    partner_durables_max: int = 5_000  #: half of all
    failed_logins_max: int = 20  #: of one login from one address, within the window: people mistype less often
    failed_logins_per_address_max: int = 60  #: of all logins together; many may share an address
    failed_logins_per_login_max: int = (
        1_000  #: from all addresses; known ones get in all the same.  Of tokens, from one
    )
    failed_logins_window_ms: int = 300_000  #: from the first failure on
    failed_login_counters_max: int = 65_536  #: each failure costs an argon2, so more take hours to make
    known_addresses_max: int = 65_536  #: logins, each with an address from which it was right before
    token_bytes_min: int = 32  #: of an operator's token: it is looked up by a fast hash, so it must not be guessable

    # --- HTTP
    http_connections_max: int = 1_024
    http_head_ms_max: int = 5_000  #: from accept, or the first octet of a further request, to the end of its head
    http_request_ms_max: int = 60_000  #: from the head to the end of the answer; a stream of events too
    http_body_bytes_max: int = 8_388_608  #: held in memory; an array of events as well
    http_json_bytes_max: int = 1_048_576  #: of anything but events; a schema with all that belongs to it fits
    ingest_bytes_max: int = 134_217_728  #: of a stream of events, which is never held as a whole
    ingest_items_max: int = 100_000  #: events of one request; each has a line in the answer
    page_items_max: int = 200  #: of one answer, as the vendor's Events API
    page_items_default: int = 50
    idempotency_key_bytes_max: int = 255
    history_exchanges_max: int = 32  #: read for one request; the next page, or the id of an event, names each
    history_scan_bytes_max: int = 67_108_864  #: of the log, looked at for one page; a batch counts as 4 KiB at least
    history_page_bytes_max: int = 8_388_608  #: of bodies in one page; it has one event beyond that at most
    history_reads_max: int = 2  #: pages of one login at once
    streams_max: int = 512  #: of events over HTTP, in all: half of the connections
    streams_per_login_max: int = 16
    stream_beat_ms: int = 15_000  #: after so long without an event a comment is sent, since proxies close after 30 s

    # --- the directory's database
    directory_poll_ms: int = 500  #: how often a node looks for changes, so that one made elsewhere holds within 1 s
    directory_busy_ms_max: int = 10_000  #: another node writes, or migrates
    directory_attempts_max: int = 5  #: to apply what somebody else's change has overtaken
    last_used_interval_ms: int = 10_000  #: last uses are written together, so that logins cost no commit each
    audit_entries_max: int = 100_000  #: the oldest go first
    audit_page_max: int = 200  #: entries of one answer

    # --- the log of the embedded engine
    segment_bytes_max: int = 67_108_864  #: one file of a log; retention removes whole ones
    log_bytes_max: int = 1_073_741_824  #: per exchange; the oldest segments go first
    log_ms_max: int = 86_400_000  #: a day, after receipt
    commit_interval_ms: int = 10  #: what nobody waits for is committed at the latest then
    commit_bytes_max: int = 8_388_608  #: in memory (an event's size); more begins a commit before that
    uncommitted_bytes_max: int = 33_554_432  #: in memory; publishers are held back above it
    preallocated_bytes: int = 1_048_576  #: zeros written ahead of a log: a commit within them changes no metadata
    reserved_offsets: int = 1_048_576  #: assigned ahead of a commit at most; uncommitted_bytes_max allows far fewer
    probe_interval_ms: int = 1_000  #: after a failure to write: how often it is tried whether it works again
    sync_interval_ms: int = 1_000  #: with fsync = interval: what a power cut may cost
    disk_free_bytes_min: int = 16_777_216  #: publishing stops below it, so that cursors can still be stored
    journal_bytes_min: int = 1_048_576  #: a smaller journal is not compacted
    damages_max: int = 10_000  #: places remembered per exchange
    quarantine_files_max: int = 32  #: damaged files kept beyond their time; a segment each at most
