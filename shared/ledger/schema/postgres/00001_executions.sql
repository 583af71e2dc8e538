-- +goose Up

-- One row per generation of an execution. Times are microseconds since 1970 (UTC), 0 when
-- not known; the view executions has them as timestamps. Who writes SQL reads the view, or this.
CREATE TABLE execution (
  mailbox      TEXT COLLATE "C" NOT NULL,
  execution_id TEXT COLLATE "C" NOT NULL,
  generation   BIGINT NOT NULL, -- 1, and one more for each redrive
  tie          BIGINT NOT NULL, -- a hash of the three: orders what was accepted in the same microsecond
  state        TEXT COLLATE "C" NOT NULL, -- ACCEPTED RUNNING RETRY_WAIT SUCCEEDED DEAD CANCELLED
  executor     TEXT COLLATE "C" NOT NULL, -- worker, lambda, operator (who cancelled); empty while it waits
  host         TEXT COLLATE "C" NOT NULL,
  attempts     BIGINT NOT NULL,
  accepted_us  BIGINT NOT NULL, -- when it was accepted; when it was first heard of, if that isn't known
  began_us     BIGINT NOT NULL, -- its first attempt
  started_us   BIGINT NOT NULL, -- its last attempt
  finished_us  BIGINT NOT NULL,
  updated_us   BIGINT NOT NULL, -- the last event about it
  deadline_us  BIGINT NOT NULL,
  waited_us    BIGINT NOT NULL, -- from accepted to its first attempt; -1 when not known
  ran_us       BIGINT NOT NULL, -- its last attempt; -1 when not known
  sender       TEXT COLLATE "C" NOT NULL,
  method       TEXT COLLATE "C" NOT NULL,
  class        TEXT COLLATE "C" NOT NULL,
  files        TEXT COLLATE "C" NOT NULL, -- the first names, a JSON array
  file_count   BIGINT NOT NULL, -- of all input files
  bytes        BIGINT NOT NULL, -- of all input files; 0 when not known
  status       TEXT COLLATE "C" NOT NULL, -- of the report
  records      BIGINT NOT NULL,
  errors       BIGINT NOT NULL,
  warnings     BIGINT NOT NULL,
  code         TEXT COLLATE "C" NOT NULL, -- why it is DEAD, CANCELLED or to be tried again
  reason       TEXT COLLATE "C" NOT NULL,
  billed_ms    BIGINT NOT NULL, -- by AWS Lambda, of all attempts that are known
  cost_usd     DOUBLE PRECISION    NOT NULL,
  cached_from  TEXT COLLATE "C" NOT NULL, -- the execution whose findings it repeats
  redriven_as  BIGINT NOT NULL, -- the generation that followed, 0 if none
  erased_us    BIGINT NOT NULL, -- when the customer's data were removed, 0 if they weren't
  PRIMARY KEY (mailbox, execution_id, generation)
);
CREATE INDEX execution_newest ON execution (accepted_us, tie, state, executor, mailbox, waited_us, ran_us, cost_usd);
CREATE INDEX execution_mailbox ON execution (mailbox, accepted_us, tie);
CREATE INDEX execution_state ON execution (state, executor, accepted_us, tie);
CREATE INDEX execution_mailbox_state ON execution (mailbox, state, executor, accepted_us, tie);
CREATE INDEX execution_dead ON execution (code, mailbox, finished_us) WHERE state = 'DEAD' AND redriven_as = 0;

-- What happened, as it was told. An event that was told twice stands once.
CREATE TABLE event (
  mailbox      TEXT COLLATE "C" NOT NULL,
  execution_id TEXT COLLATE "C" NOT NULL,
  generation   BIGINT NOT NULL,
  event_id     TEXT COLLATE "C" NOT NULL, -- the CloudEvent's id without the key
  rank         BIGINT NOT NULL, -- the smaller one stands when it was told twice
  seq          BIGINT NOT NULL, -- its place in the stream; 0 when it was made of what storage holds
  kind         TEXT COLLATE "C" NOT NULL, -- started, retry, succeeded, …
  at_us        BIGINT NOT NULL,
  source       TEXT COLLATE "C" NOT NULL, -- /executor/host
  data         TEXT COLLATE "C" NOT NULL, -- JSON, as in the CloudEvent
  PRIMARY KEY (mailbox, execution_id, generation, event_id)
);

-- Ids and file names in lower case, to find executions by how these begin.
CREATE TABLE term (
  term        TEXT COLLATE "C" NOT NULL,
  tie         BIGINT NOT NULL,
  accepted_us BIGINT NOT NULL,
  mailbox     TEXT COLLATE "C" NOT NULL,
  state       TEXT COLLATE "C" NOT NULL,
  executor    TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (term, tie)
);

-- How far the stream of events has been read, written together with what was read.
CREATE TABLE position (
  stream     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  created_us BIGINT NOT NULL, -- when the stream was made: one that is made anew is read from its beginning
  seq        BIGINT NOT NULL,
  skipped    BIGINT NOT NULL  -- messages that are no events of the fleet's
);

-- The original SAGE's words for it.
CREATE VIEW executions AS
SELECT execution_id, generation, mailbox AS casilla_id, sender AS emisor_id, method AS metodo_envio,
       files AS archivos, state, status, code, reason,
       CASE WHEN accepted_us > 0 THEN to_timestamp(accepted_us / 1e6) END AS created_at,
       CASE WHEN started_us > 0 THEN to_timestamp(started_us / 1e6) END AS start_time,
       CASE WHEN finished_us > 0 THEN to_timestamp(finished_us / 1e6) END AS end_time,
       CASE WHEN ran_us >= 0 THEN ran_us / 1e6 END AS duration,
       records AS total_records, errors, warnings, executor, host, attempts, cost_usd
FROM execution;
