/** A wallboard's feed outside React: frames are folded as they come, and readers are told at most four times a second. */

import { showsHole } from "../live/board.ts";
import { follow } from "../live/connection.ts";
import { FIRST_LINK, heardFrame, type Link, lost } from "../live/link.ts";
import { EMPTY_WALL, type Wall, wallAfter } from "./wall.ts";

const COALESCE_MS = 250;

export interface WallLive {
  wall: Wall;
  link: Link;
  refused: "signed-out" | "not-permitted" | null;
}

export class WallStore {
  private live: WallLive = { wall: EMPTY_WALL, link: FIRST_LINK, refused: null };
  private shown: WallLive = this.live;
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly organizationId: string,
    private readonly token: string | null,
  ) {}

  /** Follows until what it returns is called. */
  start(): () => void {
    const as = { view: "wallboard" as const, ...(this.token === null ? {} : { bearer: this.token }) };
    this.live = { ...this.live, refused: null };
    const stop = follow(
      this.organizationId,
      {
        position: () => this.live.wall.position,
        frame: (frame) => {
          if (showsHole(this.live.wall.position, frame)) return false;
          this.become({ ...this.live, wall: wallAfter(this.live.wall, frame), link: heardFrame(this.live.link, frame, Date.now()) });
          return true;
        },
        lost: (retryAt) => this.become({ ...this.live, link: lost(this.live.link, retryAt) }),
        refused: (refused) => this.become({ ...this.live, link: lost(this.live.link, Date.now()), refused }),
      },
      as,
    );
    return () => {
      stop();
      clearTimeout(this.timer);
      this.timer = undefined;
    };
  }

  readonly subscribe = (told: () => void): (() => void) => {
    this.listeners.add(told);
    return () => this.listeners.delete(told);
  };

  readonly current = (): WallLive => this.shown;

  private become(next: WallLive): void {
    const isFirst = this.shown.wall.position === null && next.wall.position !== null;
    this.live = next;
    if (isFirst) this.tell();
    else this.timer ??= setTimeout(() => this.tell(), COALESCE_MS);
  }

  private tell(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.shown = this.live;
    for (const told of this.listeners) told();
  }
}
