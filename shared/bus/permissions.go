package bus

// Accounts of the server. Subjects of one are unknown in the others, but for what
// [ServerConfig] exports.
//
// The server sends its answer to whatever reply subject a message names, and no
// permission is asked: within an account, whoever may send anything that is
// answered can have the answer written on any subject, a record's for example. So
// those who are not to write don't share the fleet's account. What they send
// reaches it as a request to a service, whose answers come back to their own.
const (
	AccountFleet     = "FLEET"
	AccountProducers = "PRODUCERS"
	AccountReaders   = "READERS"
)

// Grant is one subject, or all that match a filter, and why it is needed.
type Grant struct{ Subject, Why string }

// Permissions are what an identity may do. Nothing else is allowed.
type Permissions struct {
	Account   string
	Publish   []Grant
	Subscribe []Grant
}

// Permissions returns what i needs. mailboxes are those that a producer may submit
// to; the others have no use for them.
func (i Identity) Permissions(mailboxes ...string) Permissions {
	p := Permissions{Account: AccountFleet, Subscribe: []Grant{{i.Inbox() + ".>", "replies"}}}
	if i.IsProducer() {
		p.Account, p.Publish = AccountProducers, submit(mailboxes)
		return p
	}
	switch i {
	case IdentityWorker:
		p.Publish = join(look(), locksAndRecords(), settle(), requeue("a due retry"),
			take(StreamExecutions, ConsumerFleet), take(StreamExecutions, ConsumerLocal), take(StreamLater, ConsumerDue),
			read(StreamExecutions, prefixExec+">", "whose work waits, to serve every mailbox"),
			[]Grant{{"$KV." + BucketFleet + ".worker.*", "its heartbeat"}})
	case IdentityBridge:
		p.Publish = join(look(), locksAndRecords(), settle(), requeue("accepted work that was lost"),
			take(StreamExecutions, ConsumerFleet), readWork(), writeBucket(BucketDelegations, "what it hands to a Lambda"),
			watchBucket(BucketDelegations, "what dead bridges left"), readBucket(BucketBudget, "what may be spent"),
			writeBucket(BucketBudget, "what is spent"), watchBucket(BucketBudget, "what may be spent"),
			read(StreamDead, prefixDead+">", "whether a dead letter is there"),
			remove(StreamExecutions, "what a sweep has moved"), remove(StreamLater, "what a sweep has moved"),
			readBucket(BucketFleet, "who leads"), writeBucket(BucketFleet, "the lease of the lead, its heartbeat, what it learned"),
			watchBucket(BucketFleet, "heartbeats"), []Grant{{prefixDecision + "*", "what it takes, and why"}},
			scanBucket(BucketState, "records that did not change for long"))
	case IdentityLambda:
		p.Publish = join(look(), locksAndRecords(), []Grant{{prefixEvent + "*.*", "what happened"}})
	case IdentityOperator:
		p.Publish = join(look(), operate(), remove(StreamDead, "an erasure"), remove(StreamEvents, "an erasure"),
			watchBucket(BucketNotices, "to list them"), readBucket(BucketNotices, "an erasure"), writeBucket(BucketNotices, "an erasure"),
			writeBucket(BucketDelegations, "an erasure"))
	case IdentityServe:
		p.Publish = join(look(), operate(), readBucket(BucketAccess, "whose a token is"))
	case IdentityConsole:
		p.Account = AccountReaders
		p.Publish = join(look(), readWork(), read(StreamDead, prefixDead+">", "dead letters"),
			read(StreamEvents, EventFilter, "what happened"), readBucket(BucketState, "where executions stand"),
			readBucket(BucketDelegations, "what Lambdas are at"), readBucket(BucketFleet, "who runs"))
	case IdentityGC:
		p.Account = AccountReaders
		p.Publish = join(readWork(), []Grant{
			{apiStreamInfo + StreamExecutions, "to open it"}, {apiStreamInfo + StreamLater, "to open it"},
			{apiStreamInfo + bucketStream(BucketState), "to open it"}}, readBucket(BucketState, "whether an execution was redriven"))
	case IdentityNotify:
		p.Publish = join(look(), take(StreamEvents, ConsumerEnded),
			readBucket(BucketNotices, "who was told of what"), writeBucket(BucketNotices, "who was told of what"),
			watchBucket(BucketNotices, "open incidents"), read(StreamDead, prefixDead+">", "dead letters"),
			read(StreamEvents, EventFilter, "what ended late"), read(StreamExecutions, prefixExec+">", "since when the oldest waits"),
			read(StreamExecutions, prefixLocal+">", "since when the oldest waits"),
			readBucket(BucketState, "what stands still"), scanBucket(BucketState, "what stands still"),
			watchBucket(BucketDelegations, "what dead bridges left"), watchBucket(BucketFleet, "heartbeats"),
			readBucket(BucketBudget, "what is spent"), watchBucket(BucketBudget, "what is spent"))
	case IdentityAdmin:
		p.Publish = join(look(), provision(), readBucket(BucketAccess, "tokens"), writeBucket(BucketAccess, "tokens"),
			watchBucket(BucketAccess, "to list tokens"))
	}
	return p
}

const (
	apiInfo           = "$JS.API.INFO"
	apiStreamInfo     = "$JS.API.STREAM.INFO."
	apiStreamCreate   = "$JS.API.STREAM.CREATE."
	apiStreamUpdate   = "$JS.API.STREAM.UPDATE."
	apiStreamDelete   = "$JS.API.STREAM.DELETE."
	apiMsgDelete      = "$JS.API.STREAM.MSG.DELETE."
	apiDirectGet      = "$JS.API.DIRECT.GET."
	apiConsumerInfo   = "$JS.API.CONSUMER.INFO."
	apiConsumerCreate = "$JS.API.CONSUMER.CREATE."
	apiConsumerDelete = "$JS.API.CONSUMER.DELETE."
	apiConsumerNext   = "$JS.API.CONSUMER.MSG.NEXT."
)

// bucketStream is the name of the stream that holds a bucket.
func bucketStream(bucket string) string { return "KV_" + bucket }

// key is the subject of the keys of a bucket.
func key(bucket string) string { return "$KV." + bucket + ".>" }

func join(parts ...[]Grant) (all []Grant) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// submit lets a producer reach its own mailboxes.
func submit(mailboxes []string) (g []Grant) {
	for _, m := range mailboxes {
		g = append(g, Grant{SubjectMailbox(m), "requests without an id in the subject"},
			Grant{SubjectExec(m, "*"), "requests"}, Grant{SubjectLocal(m, "*"), "requests that no Lambda may take"})
	}
	return g
}

// look compares the server with the topology, as every component does at its
// start, and counts.
func look() (g []Grant) {
	t := Config{}.Topology()
	for _, s := range t.Streams {
		g = append(g, Grant{apiStreamInfo + s.Name, "to check and to count"})
		for _, c := range t.Consumers[s.Name] {
			g = append(g, Grant{apiConsumerInfo + s.Name + "." + c.Name, "to check and to count"})
		}
	}
	return g
}

// locksAndRecords is what a guard needs.
func locksAndRecords() []Grant {
	return join(readBucket(BucketLocks, "who holds a lock"), writeBucket(BucketLocks, "to lock, to renew, to release"),
		readBucket(BucketState, "where an execution stands"), writeBucket(BucketState, "where an execution stands"),
		readBucket(BucketDelegations, "whether a Lambda is at it"))
}

// operate looks at everything, submits, redrives and cancels.
func operate() []Grant {
	return join(locksAndRecords(), requeue("a submission, or a redrive"), readWork(),
		read(StreamDead, prefixDead+">", "dead letters"), read(StreamEvents, EventFilter, "what happened"),
		[]Grant{{prefixDead + "*.*.*", "that a letter was redriven"}, {prefixEvent + "*.*", "what somebody did"}},
		watchBucket(BucketState, "to follow an execution, and to verify"), watchBucket(BucketDelegations, "to list them"),
		readBucket(BucketBudget, "what is spent"), watchBucket(BucketBudget, "what is spent"),
		watchBucket(BucketFleet, "who is there"),
		scan(StreamEvents, "."+EventFilter, "to follow what happens"))
}

// settle is what may take the place of a message that is acknowledged.
func settle() []Grant {
	return []Grant{{prefixLater + "*.*.*", "a retry that waits for its time"}, {prefixDead + "*.*.*", "a dead letter"},
		{prefixEvent + "*.*", "what happened"}}
}

func requeue(what string) []Grant {
	return []Grant{{prefixExec + "*.*", what}, {prefixLocal + "*.*", what}}
}

// take pulls from a consumer and settles. The second form of acknowledgements has
// the domain and a hash of the account before the stream.
func take(stream, consumer string) []Grant {
	name := stream + "." + consumer
	return []Grant{{apiConsumerNext + name, "to take work"}, {"$JS.ACK." + name + ".>", "to settle it"},
		{"$JS.ACK.*.*." + name + ".>", "to settle it"}}
}

// read gets single messages, by place or by subject, and batches of them.
func read(stream, filter, why string) []Grant {
	return []Grant{{apiDirectGet + stream, why}, {apiDirectGet + stream + "." + filter, why}}
}

// readWork finds the message of an execution wherever it waits.
func readWork() []Grant {
	const why = "whether an execution's message is there"
	return join([]Grant{{apiDirectGet + StreamExecutions, why}, {apiDirectGet + StreamLater, why}},
		[]Grant{{apiDirectGet + StreamExecutions + "." + prefixExec + ">", why}, {apiDirectGet + StreamExecutions + "." + prefixLocal + ">", why},
			{apiDirectGet + StreamLater + "." + prefixLater + ">", why}, {apiDirectGet + StreamLater + "." + prefixDue + ">", why}})
}

func readBucket(bucket, why string) []Grant {
	return []Grant{{apiDirectGet + bucketStream(bucket) + "." + key(bucket), why}}
}

func writeBucket(bucket, why string) []Grant { return []Grant{{key(bucket), why}} }

// remove deletes single messages: the API names them in the request, so it can't
// be narrowed further.
func remove(stream, why string) []Grant { return []Grant{{apiMsgDelete + stream, why}} }

// scan reads a stream in order with a consumer of the client's own, which it names
// at random. filter is empty, or a dot and the subject filter.
func scan(stream, filter, why string) []Grant {
	return []Grant{{apiConsumerCreate + stream + ".*" + filter, why},
		{apiConsumerNext + stream + ".*", why}, {apiConsumerDelete + stream + ".*", why}}
}

func scanBucket(bucket, why string) []Grant { return scan(bucketStream(bucket), "", why) }

// watchBucket has changes pushed.
func watchBucket(bucket, why string) []Grant {
	name := bucketStream(bucket)
	return []Grant{{apiConsumerCreate + name + ".*." + key(bucket), why}, {apiConsumerDelete + name + ".*", why},
		{"$JS.FC." + name + ".>", why}, {"$JS.FC.*.*." + name + ".>", why}}
}

// provision creates and changes what the topology names, and removes the derived
// buckets to make them anew. Nobody may delete or purge any other stream.
func provision() (g []Grant) {
	const why = "to provision"
	g = []Grant{{apiInfo, "what the server is able to, before a bucket is made"}}
	t := Config{}.Topology()
	for _, s := range t.Streams {
		g = append(g, Grant{apiStreamCreate + s.Name, why}, Grant{apiStreamUpdate + s.Name, why})
		for _, c := range t.Consumers[s.Name] {
			subject := apiConsumerCreate + s.Name + "." + c.Name
			if c.FilterSubject != "" { // with several filters they stand in the request alone
				subject += "." + c.FilterSubject
			}
			g = append(g, Grant{subject, why})
		}
	}
	for _, name := range derivedStreams {
		g = append(g, Grant{apiStreamDelete + name, "to make it anew in another way"})
	}
	return g
}
