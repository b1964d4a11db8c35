/** What the server tells of itself in the page: how people sign in here. */

const isTold = (name: string): boolean => document.getElementById("root")?.dataset[name] === "yes";

/** The stack of this machine: whoever looks has started it. */
export const isLocal = (): boolean => isTold("isLocal");

/** People have passwords here, which a page of its own takes. */
export const takesPasswords = (): boolean => isTold("takesPasswords");
