// Package simulate runs overflow policies over work that is made up, recorded or
// read from history, and says what they would have cost and missed.
//
// It is exact about what policies differ in: who takes which execution when. Free
// local slots take the oldest first; what still waits goes to the cloud, the oldest
// first, while at least the policy's minimum waits, as JetStream's overflow groups
// do it. The policies are those of package overflow and decide from the same
// signals, learned in the same way, whenever one of them changes. Messages, locks
// and storage take no time here. Equal seeds give equal results.
//
// # Model of the made-up workloads
//
// A file of MB megabytes takes a slot E = 0.2 + 0.05·MB seconds on average, times a
// lognormal noise (σ 0.3, mean 1): that is S. A replica has 4 slots and costs $0.17
// an hour. The Lambda, with 1,769 MB on arm64, runs for 1.1·S + MB/75 s, and after
// a cold start of lognormal length (median 0.8 s, σ 0.4), which is billed too.
// Environments are kept for 420 s, at most 1,000 run at once, and 100 new ones a
// second can start, 100 at once. The deadline is 10 s + 2·E after arrival, and an
// hour for files over 10 GB, which no Lambda takes. Sizes are lognormal (median
// 8 MB, σ 1.2), at most 4,000 MB. Arrivals last for an hour.
//
//	poisson  11/s
//	mmpp     5/s and 40/s by turns, for 120 s and 20 s on average (exponential), beginning with 5
//	flash50  8/s, and 400/s in [1200, 1220) and [2400, 2420)
//	diurnal  11·(1 + 0.8·sin(2πt/3600))/s
//	huge     9/s, each with P = 0.0005 of 12 to 20 GB instead
//	drift    mmpp; from 1,800 s on files are 4 times as large, and each is kept with P = 1/3
//	azcode   recorded, 1 replica; a token is 1/160 MB
//	azconv   recorded, 2 replicas; a token is 1/80 MB
//
// The others have 4 replicas.
//
// # Order of the draws
//
// So that any implementation makes the same jobs: one generator a run, splitmix64
// seeded with the seed. U = ((x >> 11) + 0.5) / 2^53; Exp(mean) = −mean·ln U;
// Normal = √(−2·ln U)·cos(2π·U), two draws. All arrivals but mmpp's and drift's
// are thinned from the highest rate M, also where it is constant: t = Exp(1/M); while
// t < 3600: draw U, accept if U·M ≤ rate(t); if accepted draw the size (one Normal:
// 8·exp(1.2·N)), for huge a U against P and, below it, a U for the size, then the job;
// then t += Exp(1/M). mmpp and drift draw a stay Exp(mean) and, in it, arrivals; the one
// that falls behind the end of the stay is dropped. drift then draws, after 1,800 s, a
// U for keeping. A job draws its service noise (one Normal, S = E·exp(0.3·N − 0.045))
// and its cold start (one Normal). Recorded workloads draw jobs only.
package simulate
