-- +goose Up

-- One row per generation of an execution. Times are microseconds since 1970 (UTC), 0 when
-- not known; the view executions has them as text. Who writes SQL reads the view, or this.
CREATE TABLE execution (
  mailbox      TEXT    NOT NULL,
  execution_id TEXT    NOT NULL,
  generation   INTEGER NOT NULL, -- 1, and one more for each redrive
  tie          INTEGER NOT NULL, -- a hash of the three: orders what was accepted in the same microsecond
  state        TEXT    NOT NULL, -- ACCEPTED RUNNING RETRY_WAIT SUCCEEDED DEAD CANCELLED
  executor     TEXT    NOT NULL, -- worker, lambda, operator (who cancelled); empty while it waits
  host         TEXT    NOT NULL,
  attempts     INTEGER NOT NULL,
  accepted_us  INTEGER NOT NULL, -- when it was accepted; when it was first heard of, if that isn't known
  began_us     INTEGER NOT NULL, -- its first attempt
  started_us   INTEGER NOT NULL, -- its last attempt
  finished_us  INTEGER NOT NULL,
  updated_us   INTEGER NOT NULL, -- the last event about it
  deadline_us  INTEGER NOT NULL,
  waited_us    INTEGER NOT NULL, -- from accepted to its first attempt; -1 when not known
  ran_us       INTEGER NOT NULL, -- its last attempt; -1 when not known
  sender       TEXT    NOT NULL,
  method       TEXT    NOT NULL,
  class        TEXT    NOT NULL,
  files        TEXT    NOT NULL, -- the first names, a JSON array
  file_count   INTEGER NOT NULL, -- of all input files
  bytes        INTEGER NOT NULL, -- of all input files; 0 when not known
  status       TEXT    NOT NULL, -- of the report
  records      INTEGER NOT NULL,
  errors       INTEGER NOT NULL,
  warnings     INTEGER NOT NULL,
  code         TEXT    NOT NULL, -- why it is DEAD, CANCELLED or to be tried again
  reason       TEXT    NOT NULL,
  billed_ms    INTEGER NOT NULL, -- by AWS Lambda, of all attempts that are known
  cost_usd     REAL    NOT NULL,
  cached_from  TEXT    NOT NULL, -- the execution whose findings it repeats
  redriven_as  INTEGER NOT NULL, -- the generation that followed, 0 if none
  erased_us    INTEGER NOT NULL, -- when the customer's data were removed, 0 if they weren't
  PRIMARY KEY (mailbox, execution_id, generation)
);
CREATE INDEX execution_newest ON execution (accepted_us, tie, state, executor, mailbox, waited_us, ran_us, cost_usd);
CREATE INDEX execution_mailbox ON execution (mailbox, accepted_us, tie);
CREATE INDEX execution_state ON execution (state, executor, accepted_us, tie);
CREATE INDEX execution_mailbox_state ON execution (mailbox, state, executor, accepted_us, tie);
CREATE INDEX execution_dead ON execution (code, mailbox, finished_us) WHERE state = 'DEAD' AND redriven_as = 0;

-- What happened, as it was told. An event that was told twice stands once.
CREATE TABLE event (
  mailbox      TEXT    NOT NULL,
  execution_id TEXT    NOT NULL,
  generation   INTEGER NOT NULL,
  event_id     TEXT    NOT NULL, -- the CloudEvent's id without the key
  rank         INTEGER NOT NULL, -- the smaller one stands when it was told twice
  seq          INTEGER NOT NULL, -- its place in the stream; 0 when it was made of what storage holds
  kind         TEXT    NOT NULL, -- started, retry, succeeded, …
  at_us        INTEGER NOT NULL,
  source       TEXT    NOT NULL, -- /executor/host
  data         TEXT    NOT NULL, -- JSON, as in the CloudEvent
  PRIMARY KEY (mailbox, execution_id, generation, event_id)
) WITHOUT ROWID;

-- Ids and file names in lower case, to find executions by how these begin.
CREATE TABLE term (
  term        TEXT    NOT NULL,
  tie         INTEGER NOT NULL,
  accepted_us INTEGER NOT NULL,
  mailbox     TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  executor    TEXT    NOT NULL,
  PRIMARY KEY (term, tie)
) WITHOUT ROWID;

-- How far the stream of events has been read, written together with what was read.
CREATE TABLE position (
  stream     TEXT    NOT NULL PRIMARY KEY,
  created_us INTEGER NOT NULL, -- when the stream was made: one that is made anew is read from its beginning
  seq        INTEGER NOT NULL,
  skipped    INTEGER NOT NULL  -- messages that are no events of the fleet's
);

-- The original SAGE's words for it.
CREATE VIEW executions AS
SELECT execution_id, generation, mailbox AS casilla_id, sender AS emisor_id, method AS metodo_envio,
       files AS archivos, state, status, code, reason,
       CASE WHEN accepted_us > 0 THEN strftime('%Y-%m-%dT%H:%M:%fZ', accepted_us / 1e6, 'unixepoch') END AS created_at,
       CASE WHEN started_us > 0 THEN strftime('%Y-%m-%dT%H:%M:%fZ', started_us / 1e6, 'unixepoch') END AS start_time,
       CASE WHEN finished_us > 0 THEN strftime('%Y-%m-%dT%H:%M:%fZ', finished_us / 1e6, 'unixepoch') END AS end_time,
       CASE WHEN ran_us >= 0 THEN ran_us / 1e6 END AS duration,
       records AS total_records, errors, warnings, executor, host, attempts, cost_usd
FROM execution;
