import { BOUNDS } from "./bounds.js";
import { TOO_COSTLY } from "./meter.js";
import type { Evaluate, Scope } from "./scope.js";
import { Failure, isList, isMap, itemOf, lengthOf, MadeList, type Value } from "./values.js";

export interface Comprehension {
  readonly range: Evaluate;
  /** The condition, or what an element becomes, or both. */
  readonly bodies: readonly Evaluate[];
  /** How many macros are around it. */
  readonly depth: number;
  readonly costOfStep: number;
}

const NOT_A_RANGE = new Failure("it goes through the elements of what is no list and no map");
const NOT_A_PREDICATE = new Failure("the condition of a macro comes to no bool");
const TOO_MANY = new Failure("it makes a list that is too large");

/** Evaluates a macro over the elements of a list, or the keys of a map. */
export function comprehension(name: string, parts: Comprehension): Evaluate {
  const evaluate = EVALUATE[name];
  if (!evaluate) throw new Error(`nothing evaluates ${name}`);
  return (scope) => {
    const range = parts.range(scope);
    if (range instanceof Failure) return range;
    const steps = stepsOf(range, parts, scope);
    return steps instanceof Failure ? steps : evaluate(steps, parts.bodies);
  };
}

/** Puts each element in its place, one after the other, until `visit` has an answer. */
type Steps = (
  visit: (element: Value, scope: Scope) => Value | Failure | undefined,
) => Value | Failure | undefined;

function stepsOf(range: Value, { depth, costOfStep }: Comprehension, scope: Scope): Steps | Failure {
  const list = isMap(range) ? scope.meter.keys(range) : range;
  if (list === undefined) return TOO_COSTLY;
  if (!isList(list)) return NOT_A_RANGE;
  return (visit) => {
    const length = lengthOf(list);
    for (let index = 0; index < length; index++) {
      if (!scope.meter.spend(costOfStep)) return TOO_COSTLY;
      const element = itemOf(list, index);
      if (element instanceof Failure) return element;
      scope.elements[depth] = element;
      const answer = visit(element, scope);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
}

type EvaluateSteps = (steps: Steps, bodies: readonly Evaluate[]) => Value | Failure;

const EVALUATE: Readonly<Record<string, EvaluateSteps>> = {
  all: (steps, bodies) => quantify(false, steps, bodies),
  exists: (steps, bodies) => quantify(true, steps, bodies),
  exists_one: existsOne,
  filter: (steps, [predicate]) => collect(steps, predicate, undefined),
  map: (steps, [first, second]) =>
    second ? collect(steps, first, second) : collect(steps, undefined, first),
};

function holds(predicate: Evaluate | undefined, scope: Scope): boolean | Failure {
  const value = predicate ? predicate(scope) : true;
  if (typeof value === "boolean" || value instanceof Failure) return value;
  return NOT_A_PREDICATE;
}

/** As with && and ||: one element that decides is enough, whatever became of the others. */
function quantify(decides: boolean, steps: Steps, [predicate]: readonly Evaluate[]): Value | Failure {
  let failure: Failure | undefined;
  const answer = steps((_element, scope) => {
    const value = holds(predicate, scope);
    if (value instanceof Failure) failure ??= value;
    return value === decides ? decides : undefined;
  });
  return answer ?? failure ?? !decides;
}

function existsOne(steps: Steps, [predicate]: readonly Evaluate[]): Value | Failure {
  let count = 0;
  const failure = steps((_element, scope) => {
    const value = holds(predicate, scope);
    if (value instanceof Failure) return value;
    count += Number(value);
    return undefined;
  });
  return failure ?? count === 1;
}

function collect(
  steps: Steps,
  predicate: Evaluate | undefined,
  transform: Evaluate | undefined,
): Value | Failure {
  const items: Value[] = [];
  const failure = steps((element, scope) => {
    const isIn = holds(predicate, scope);
    if (isIn instanceof Failure) return isIn;
    if (!isIn) return undefined;
    const item = transform ? transform(scope) : element;
    if (item instanceof Failure) return item;
    items.push(item);
    return items.length > BOUNDS.madeList ? TOO_MANY : undefined;
  });
  return failure ?? new MadeList(items);
}
