use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::{
    super::violation::Findings,
    AggregateKit, AggregateRule as Rule,
    compare::Compare,
    specimen::{Random, Taken, samples},
};
use crate::{Aggregate, Iteration, Panicked, Sample};

impl<A, M, C> AggregateKit<A, M, C>
where
    A: Aggregate<M>,
    C: Compare<A>,
{
    pub(super) fn check_all(&self, findings: &mut Findings<Rule>) {
        let all = samples(&*self.metric, 1, self.samples);
        if !self.records(&all, findings) {
            return;
        }
        self.forks(&all, findings);
        if findings.has(Rule::ForkEmpty) || findings.has(Rule::ForkConfigured) {
            return; // Everything else is made of forks.
        }
        self.merges(&all, findings);
        self.copies(&all, findings);
        self.apart(&all, findings);
        self.memory(findings);
    }

    /// An aggregate that recorded these.
    fn of(&self, samples: &[Taken<M>]) -> A {
        let mut aggregate = (self.make)();
        record(&mut aggregate, samples);
        aggregate
    }

    /// Notes a broken rule if the two do not hold the same.
    fn same(
        &self,
        rule: Rule,
        when: &'static str,
        expected: &A,
        saw: &A,
        findings: &mut Findings<Rule>,
    ) {
        if !findings.has(rule) && !self.compare.same(expected, saw) {
            let (expected, saw) = self.compare.tell(expected, saw);
            findings.add(rule, when, expected, saw);
        }
    }

    /// Whether samples are recorded at all, so that there is something to
    /// check.
    fn records(&self, all: &[Taken<M>], findings: &mut Findings<Rule>) -> bool {
        let when = "every sample is recorded into one aggregate";
        let recorded = catch_unwind(AssertUnwindSafe(|| self.of(all)));
        let Ok(filled) = recorded else {
            findings.add(Rule::Record, when, "no panic", "a panic");
            return false;
        };
        if self.compare.same(&(self.make)(), &filled) {
            let expected = "something else than an empty one";
            findings.add(Rule::Record, when, expected, "the same as an empty one");
            return false;
        }
        let again = self.of(all);
        self.same(
            Rule::Record,
            "they are recorded once more",
            &filled,
            &again,
            findings,
        );

        let when = "an action panicked";
        let mut panicked = self.of(all);
        let (start, end) = (Duration::from_secs(1), Duration::from_millis(1500));
        let iteration = Iteration::new(u64::MAX, 0, start);
        panicked.record_panic(&Sample::new(iteration, start, end, Panicked::new()));
        if self.compare.same(&filled, &panicked) {
            let expected = "something else than without it";
            findings.add(Rule::RecordPanic, when, expected, "the same");
        }
        !findings.has(Rule::Record)
    }

    fn forks(&self, all: &[Taken<M>], findings: &mut Findings<Rule>) {
        let filled = self.of(all);
        let empty = (self.make)();
        let rule = Rule::ForkEmpty;
        let when = "an empty one is forked";
        self.same(rule, when, &empty, &empty.fork(), findings);
        let when = "a filled one is forked";
        self.same(rule, when, &empty, &filled.fork(), findings);
        let when = "its fork is merged into a filled one";
        let mut merged = self.of(all);
        merged.merge(filled.fork());
        self.same(rule, when, &filled, &merged, findings);
        if findings.has(rule) {
            return;
        }
        let when = "the fork of a fork of a filled one records";
        let mut fork = filled.fork().fork();
        record(&mut fork, all);
        self.same(Rule::ForkConfigured, when, &filled, &fork, findings);
    }

    fn merges(&self, all: &[Taken<M>], findings: &mut Findings<Rule>) {
        let third = all.len() / 3;
        let (first, rest) = all.split_at(third);
        let (second, last) = rest.split_at(third);
        let of = |samples| self.of(samples);
        let merged = |mut into: A, other: A| {
            into.merge(other);
            into
        };
        let (one, other) = (merged(of(first), of(second)), merged(of(second), of(first)));
        let when = "b is merged into a, and a into b";
        self.same(Rule::Commutative, when, &one, &other, findings);

        let left = merged(merged(of(first), of(second)), of(last));
        let right = merged(of(first), merged(of(second), of(last)));
        let when = "(a + b) + c, and a + (b + c)";
        self.same(Rule::Associative, when, &left, &right, findings);

        // What is told already would be told once more.
        if findings.has(Rule::Commutative) || findings.has(Rule::Associative) {
            return;
        }
        let when = "a is merged into an empty one, which then records the rest";
        let mut merged = merged((self.make)(), of(first));
        record(&mut merged, rest);
        self.same(Rule::RecordAfterMerge, when, &of(all), &merged, findings);
        self.splits(findings);
    }

    /// Small heaps of samples, over any number of shards, merged in any order.
    fn splits(&self, findings: &mut Findings<Rule>) {
        let when = "samples are recorded into shards by chance, which are merged by chance";
        for seed in 0..20 {
            let mut random = Random::new(seed, 1);
            let count = random.below(100);
            let all = samples(&*self.metric, seed + 100, count);
            let whole = self.of(&all);
            let mut shards: Vec<A> = (0..=random.below(8)).map(|_| whole.fork()).collect();
            for sample in &all {
                let at = random.below(shards.len() as u64) as usize;
                if let Some(shard) = shards.get_mut(at) {
                    record(shard, std::slice::from_ref(sample));
                }
            }
            while shards.len() > 1 {
                let other = shards.swap_remove(random.below(shards.len() as u64) as usize);
                let into = random.below(shards.len() as u64) as usize;
                if let Some(into) = shards.get_mut(into) {
                    into.merge(other);
                }
            }
            for merged in shards {
                self.same(Rule::Split, when, &whole, &merged, findings);
            }
        }
    }

    fn copies(&self, all: &[Taken<M>], findings: &mut Findings<Rule>) {
        let rule = Rule::Duplicate;
        let (first, rest) = all.split_at(all.len() / 2);
        let (filled, whole) = (self.of(first), self.of(all));
        let empty = filled.fork();
        let copies = [filled.duplicate(), filled.duplicate(), empty.duplicate()];
        let copied = copies.iter().flatten().count();
        if copied != 0 && copied != copies.len() {
            let when = "a filled one and its fork are copied";
            let saw = format!("{copied} copies of {}", copies.len());
            findings.add(rule, when, "a copy of every one, or of none", saw);
        }
        let [Some(copy), Some(other), Some(nothing)] = copies else {
            return;
        };
        self.same(rule, "a filled one is copied", &filled, &copy, findings);
        self.same(rule, "an empty one is copied", &empty, &nothing, findings);
        let mut copy = copy;
        record(&mut copy, rest);
        self.same(
            rule,
            "its copy records on",
            &filled,
            &self.of(first),
            findings,
        );
        self.same(rule, "a copy records on", &whole, &copy, findings);
        let mut filled = filled;
        record(&mut filled, rest);
        let when = "the one that was copied records on";
        self.same(rule, when, &self.of(first), &other, findings);
    }

    fn apart(&self, all: &[Taken<M>], findings: &mut Findings<Rule>) {
        let rule = Rule::Apart;
        let filled = self.of(all);
        let mut apart = filled.fork_apart();
        self.same(
            rule,
            "a filled one is forked apart",
            &(self.make)(),
            &apart,
            findings,
        );
        let count = || self.handed_on.as_ref().map_or(0, |count| count());
        let before = count();
        record(&mut apart, all);
        let mut fork = apart.fork();
        record(&mut fork, all);
        let saw = count() - before;
        if saw != 0 {
            let when = "a fork apart and its fork record";
            findings.add(
                rule,
                when,
                "nothing handed on",
                format!("{saw} samples handed on"),
            );
        }
        self.same(
            rule,
            "the fork apart of a filled one records",
            &self.of(all),
            &filled,
            findings,
        );
        self.same(rule, "a fork apart records", &filled, &apart, findings);
        if self.handed_on.is_some() {
            let before = count();
            drop(self.of(all));
            let saw = count() - before;
            // Panics may be handed on or not.
            let is_sample = |taken: &&Taken<M>| matches!(taken, Taken::Sample(_));
            let least = all.iter().filter(is_sample).count();
            if !(least as u64..=all.len() as u64).contains(&saw) {
                let when = "one that is no fork apart records";
                let expected = format!("{least} samples handed on");
                findings.add(rule, when, expected, saw);
            }
        }
    }

    fn memory(&self, findings: &mut Findings<Rule>) {
        const SAMPLES: u64 = 2000;
        let Some(size) = &self.size else { return };
        let mut aggregate = (self.make)();
        record(&mut aggregate, &samples(&*self.metric, 2, SAMPLES));
        let before = size(&aggregate);
        // The same span of time, so that a timeline does not become longer.
        for seed in 3..12 {
            record(&mut aggregate, &samples(&*self.metric, seed, SAMPLES));
        }
        let after = size(&aggregate);
        if after >= before.max(1) * 2 {
            let when = "ten times as many samples are recorded in the same time";
            let expected = format!("less than twice of {before}");
            findings.add(Rule::Memory, when, expected, after);
        }
    }
}

fn record<A: Aggregate<M>, M>(aggregate: &mut A, samples: &[Taken<M>]) {
    for taken in samples {
        match taken {
            Taken::Sample(sample) => aggregate.record(sample),
            Taken::Panic(sample) => aggregate.record_panic(sample),
        }
    }
}
