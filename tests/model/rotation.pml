/* The keys of one role and algorithm, the sets that publish them, and the verifiers that fetch them (docs/key-lifecycle.md).
 *
 * One atomic step is one durable step of the signer, or one event of the world. Between any two of them anything else may happen, also
 * a crash, which loses all but what is durable. Time is a counter. Verifiers' clocks are off by up to SKEW either way, and a verifier
 * may miss any number of updates. The operator may shorten and lengthen the life of sets at any moment.
 *
 * Each NO_… macro takes one guard away; mutants_test.py builds the model with each of them and must be told of a violation.
 * A MOVE line of a simulation is one question to the product's transition function with its answer (replay_moves.cc); 99: refused.
 */
#ifndef KEYS
#define KEYS 2
#endif
#ifndef VERIFIERS
#define VERIFIERS 1
#endif
#ifndef HORIZON
#define HORIZON 7
#endif
#define SKEW 1
#define BRIEF 1 /* the lives of sets that the operator chooses between */
#define LENGTHY 2
#define USE 0 /* how long what a key signed is in use, beyond the skew */

/* Random runs halt seldom, so that keys grow old in them. */
#ifndef HALT_EVERY
#define HALT_EVERY 1
#endif

#ifdef NO_GATE
#define GATE_OPEN(k) true
#else
#define GATE_OPEN(k) (now >= gate_opens[k])
#endif
#ifdef NO_SKEW
#define GATE_MARGIN 0
#else
#define GATE_MARGIN (2 * SKEW)
#endif
#ifdef NO_LONGEST
#define EARLIER_LIFE lifetime
#else
#define EARLIER_LIFE longest
#endif
#ifdef NO_ONLY_ONE
#define ALONE(k) true
#else
#define ALONE(k) (!other_active(k))
#endif
#ifdef NO_OUT_OF_USE
#define OUT_OF_USE(k) true
#else
#define OUT_OF_USE(k) (now >= verify_until[k])
#endif

#define GENERATED 0
#define ATTESTED 1
#define STAGED 2
#define STANDBY 3
#define ACTIVE 4
#define RETIRING 5
#define RETIRED 6
#define REFUSED 99

mtype = { attest, stage, stand_by, activate, retire, close, compromise };

/* Durable: the ledger. */
byte state[KEYS];
bool compromised[KEYS];
byte gate_opens[KEYS];
byte verify_until[KEYS];
byte longest = 0; /* of the lives of sets so far, recorded before the first set that lives so long */

/* Durable: the publication directory; keys as bits. */
byte set_keys = 0;
byte set_expires = 0;

/* What each verifier holds: durable too, and never replaced by an older set. */
byte held_keys[VERIFIERS];
byte held_expires[VERIFIERS];

/* The world, and what a key signed last (for the invariants alone). */
byte now = 0;
byte lifetime = LENGTHY;
byte signed_until[KEYS];

/* In the front's memory, lost in a crash. */
bool up = true;
byte signing = KEYS; /* the key it signs with; KEYS: none */

#define BIT(k) (1 << (k))
#define PUBLISHED(k) (state[k] >= STAGED)
#if KEYS > 2
#define THIRD(x) x
#else
#define THIRD(x)
#endif
#define other_active(k) ((k != 0 && state[0] == ACTIVE) || (k != 1 && state[1] == ACTIVE) THIRD(|| (k != 2 && state[2] == ACTIVE)))
#if KEYS > 2
#define the_active (state[0] == ACTIVE -> 0 : (state[1] == ACTIVE -> 1 : (state[2] == ACTIVE -> 2 : KEYS)))
#else
#define the_active (state[0] == ACTIVE -> 0 : (state[1] == ACTIVE -> 1 : KEYS))
#endif
/* A set is believed while the verifier's clock is below expires + SKEW; its clock may be SKEW behind. */
#define accepts(v) (held_expires[v] > 0 && now < held_expires[v] + 2 * SKEW)

#define SAY(k, event, from, to) \
  printf("MOVE key=%d event=%e from=%d now=%d gate=%d other=%d until=%d compromised=%d to=%d\n", k, event, from, now, \
         gate_opens[k], other_active(k), verify_until[k], compromised[k], to)
#define MOVE(k, event, to) SAY(k, event, state[k], to); state[k] = to

inline promote(p) {
  if
  :: !compromised[p] && state[p] == STANDBY -> MOVE(p, activate, ACTIVE)
  :: else -> skip
  fi
}

active proctype signer() {
  byte k, other;
end:
  do
  :: atomic { up && now < HORIZON ->
       if :: k = 0 :: k = 1 THIRD(:: k = 2) fi;
       if
       /* generated, read back and committed to publication: one transaction, and the gate with it */
       :: state[k] == GENERATED && (k == 0 || state[k - 1] != GENERATED) -> /* keys are alike: in this order */
          MOVE(k, attest, ATTESTED);
          SAY(k, stage, ATTESTED, STAGED);
          state[k] = STAGED;
          if
          :: longest == 0 -> gate_opens[k] = now
          :: else -> gate_opens[k] = now + EARLIER_LIFE + GATE_MARGIN
          fi
       /* a set; before it, where it lives longer than any so far, the record of that */
       :: longest < lifetime -> longest = lifetime
       :: longest >= lifetime ->
          set_keys = (PUBLISHED(0) -> BIT(0) : 0) | (PUBLISHED(1) -> BIT(1) : 0) THIRD(| (PUBLISHED(2) -> BIT(2) : 0));
          set_expires = now + lifetime
       :: state[k] == STAGED && !compromised[k] ->
          if
          :: GATE_OPEN(k) -> MOVE(k, stand_by, STANDBY); gate_opens[k] = 0
          :: else -> SAY(k, stand_by, STAGED, REFUSED)
          fi
       /* the cut-over: what is active retires in the same transaction */
       :: state[k] == STANDBY && !compromised[k] ->
          if
          :: other_active(k) && ALONE(k) == false ->
             SAY(k, activate, STANDBY, REFUSED);
             other = the_active;
             MOVE(other, retire, RETIRING);
             verify_until[other] = now + USE + 2 * SKEW
          :: else -> skip
          fi;
          MOVE(k, activate, ACTIVE)
       :: state[k] == RETIRING && !compromised[k] ->
          if
          :: OUT_OF_USE(k) ->
             MOVE(k, close, RETIRED);
             assert(now >= signed_until[k]);
             signed_until[k] = 0;
             verify_until[k] = 0
          :: else -> SAY(k, close, RETIRING, REFUSED)
          fi
       /* a halt: the record, and in the same transaction a standby in its place */
       :: PUBLISHED(k) && !compromised[k] && now % HALT_EVERY == HALT_EVERY - 1 ->
          other = state[k];
          SAY(k, compromise, state[k], RETIRED);
#ifdef NO_STOP
          if :: state[k] != ACTIVE -> state[k] = RETIRED :: else -> skip fi;
#else
          state[k] = RETIRED;
#endif
          compromised[k] = true;
          gate_opens[k] = 0;
          verify_until[k] = 0;
          signed_until[k] = 0;
          if
          :: other == ACTIVE && state[k] != ACTIVE ->
             if
             :: state[0] == STANDBY -> promote(0)
             :: state[1] == STANDBY -> promote(1)
#if KEYS > 2
             :: state[2] == STANDBY -> promote(2)
#endif
             :: else -> skip
             fi
          :: else -> skip
          fi
       :: compromised[k] -> SAY(k, activate, state[k], REFUSED)
       /* what the front signs with is loaded after the transaction; others may ask in between */
       :: signing = the_active
       /* a signature is recorded only while the ledger has the key as active */
#ifdef NO_RECHECK
       :: signing < KEYS ->
#else
       :: signing < KEYS && state[signing] == ACTIVE ->
#endif
          signed_until[signing] = now + USE + 2 * SKEW;
          assert(!accepts(0) || (held_keys[0] & BIT(signing)) != 0); /* reference 4.2: never a key it does not know */
#if VERIFIERS > 1
          assert(!accepts(1) || (held_keys[1] & BIT(signing)) != 0);
#endif
          assert(state[signing] == ACTIVE && !compromised[signing]) /* 4.3: a halted key never signs */
       fi;
       assert((state[0] == ACTIVE) + (state[1] == ACTIVE) THIRD(+ (state[2] == ACTIVE)) <= 1);
       k = 0;
       other = 0 }
  od
}

active proctype world() {
  byte v;
end:
  do
  :: atomic { now < HORIZON ->
       if
       :: now++;
          /* what nobody believes any more is forgotten */
          if :: now >= set_expires + SKEW -> set_expires = 0; set_keys = 0 :: else -> skip fi;
          for (v : 0 .. VERIFIERS - 1) {
            if :: !accepts(v) -> held_expires[v] = 0; held_keys[v] = 0 :: else -> skip fi
          }
          v = 0
       :: lifetime = BRIEF + LENGTHY - lifetime
       :: up -> up = false; signing = KEYS
       :: !up -> up = true
       /* a verifier fetches what lies in the directory, if it has not expired; no set may drop a key */
       :: set_expires > 0 ->
          if :: v = 0
#if VERIFIERS > 1
          :: v = 1
#endif
          fi;
          assert((held_keys[v] & ~set_keys) == 0);
          held_keys[v] = set_keys;
          held_expires[v] = set_expires;
          v = 0
       fi }
  od
}
