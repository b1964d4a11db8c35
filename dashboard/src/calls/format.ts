/** Values as people read them. What was not measured is “–”, never 0. */

export const NOTHING = "–";

const two = (n: number): string => String(n).padStart(2, "0");

/** A length of time: `0:42`, `12:03`, `1:04:09`. */
export function clock(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function since(time: string | null | undefined, now: number): string {
  return time ? clock(now - Date.parse(time)) : NOTHING;
}

/** `14:02:11` where `timeZone` holds. A cycle is named because `hour12: false` makes midnight 24 o'clock in some languages. */
export function timeOfDay(ms: number, timeZone: string): string {
  return new Date(ms).toLocaleTimeString([], { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone });
}

export function timeIn(time: string, timeZone: string): string {
  return new Date(time).toLocaleTimeString([], { hourCycle: "h23", hour: "2-digit", minute: "2-digit", timeZone });
}

export function seconds(value: number | null): string {
  if (value === null) return NOTHING;
  return value < 60 ? `${value.toFixed(1)} s` : clock(value * 1000);
}

export function ofMs(value: number | null): string {
  return seconds(value === null ? null : value / 1000);
}

export function percent(share: number | null): string {
  return share === null ? NOTHING : `${Math.round(share * 100)} %`;
}

export function minutes(talkSeconds: number): string {
  const whole = Math.floor(talkSeconds / 60);
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${whole % 60} min`;
}

export function dollars(value: number | null): string {
  return value === null ? NOTHING : `$${value.toFixed(value < 10 ? 3 : 2)}`;
}

/** A machine's word as words: `customer-ended-call` → `customer ended call`. */
export function words(value: string): string {
  return value.replaceAll(/[-._:]/g, " ");
}

export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
