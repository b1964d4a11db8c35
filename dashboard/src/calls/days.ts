/** Days of the calendar in a time zone that need not be this machine's. */

export function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
}

export function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

/** The first moment of a day where `timeZone` holds, in ms; right also on days of 23 and 25 hours. */
export function startOfDay(day: string, timeZone: string): number {
  return momentOf(Date.parse(`${day}T00:00:00Z`), timeZone);
}

/** The moment, in ms, at which the clocks of a zone show what UTC's show at `asIfUtc`. */
export function momentOf(asIfUtc: number, timeZone: string): number {
  // The offset at a guess, then at what it leads to: they differ where clocks were changed in between.
  const guess = asIfUtc - offsetAt(asIfUtc, timeZone);
  return asIfUtc - offsetAt(guess, timeZone);
}

/** How far the clocks of a zone are ahead of UTC at a moment, in ms. */
export function offsetAt(ms: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" }).formatToParts(ms);
  const part = (name: string): number => Number(parts.find((each) => each.type === name)?.value);
  const wall = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return wall - Math.floor(ms / 1000) * 1000;
}

/** `28 Nov, 14:02`, and the year where it is another than the present one. */
export function dayAndTime(time: string, timeZone: string, now = Date.now()): string {
  const date = new Date(time);
  const isThisYear = date.getUTCFullYear() === new Date(now).getUTCFullYear();
  const options: Intl.DateTimeFormatOptions = { timeZone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return date.toLocaleString("en-GB", isThisYear ? options : { ...options, year: "numeric" });
}
