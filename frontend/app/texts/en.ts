import { formatCount, plural } from '~/lib/format'

/**
 * Every text of the dashboard, in English. A section for each area, named as its folder; functions where a number or a
 * name is inside. Other languages are files beside this one of the type Texts. What the API answers (names, reasons
 * of a refusal) is shown as it is.
 */
export const en = {
  language: 'English',

  /** Words of all areas. */
  common: {
    unknown: 'unknown',
    cancel: 'Cancel',
    close: 'Close',
    copy: 'Copy',
    copied: 'Copied',
    loading: 'Loading…',
    loadMore: 'Load more',
    tryAgain: 'Try again',
    couldNotLoad: (what: string) => `Couldn't load ${what}.`,
    tasks: (n: number) => plural(n, 'task'),
    workers: (n: number) => plural(n, 'worker'),
    queues: (n: number) => plural(n, 'queue'),
    messages: (n: number) => plural(n, 'message'),
    more: (n: number) => `${formatCount(n)} more`,
  },

  /** The states of a task: the same words as `kanchi tasks` and the documents use. */
  status: {
    label: {
      pending: 'Queued',
      received: 'Received',
      started: 'Running',
      success: 'Succeeded',
      failure: 'Failed',
      retry: 'Retrying',
      revoked: 'Revoked',
      rejected: 'Rejected',
      orphaned: 'Lost',
    },
    meaning: {
      pending: 'Waiting in the queue.',
      received: 'Received by a worker, not started.',
      started: 'Running on a worker.',
      success: 'Completed successfully.',
      failure: 'Raised an exception.',
      retry: 'Failed; will be retried.',
      revoked: 'Revoked or expired.',
      rejected: 'Rejected by the worker.',
      orphaned: 'Its worker no longer has it; the outcome is unknown.',
    },
  },

  format: {},
  periods: {
    title: 'Time range',
    button: (label: string) => `Time range: ${label}`,
    all: 'All',
    allTime: 'All time',
    s: (n: number) => `${n} s`,
    m: (n: number) => `${n} min`,
    h: (n: number) => `${n} h`,
    d: (n: number) => `${n} d`,
    last: (period: string) => `Last ${period}`,
    since: (time: string) => `Since ${time}`,
    until: (time: string) => `Until ${time}`,
    lastField: 'Last',
    lastExample: '45m, 2h, 3d',
    from: 'From',
    to: 'To',
    zone: (zone: string) => `Times in ${zone}`,
    apply: 'Apply',
    copyLink: 'Copy link to this period',
    badPeriod: 'Enter a number and a unit: 45m, 2h or 3d.',
    badTime: (example: string) => `Enter a date and time such as ${example}.`,
    badOrder: 'From must be earlier than To.',
  },
  layout: {},
  palette: {},
  settings: {},
  errors: {},
  show: {},
  charts: {},

  overview: {},
  health: {},
  system: {},

  tasks: {},
  task: {},
  workers: {},
  worker: {},
  queues: {},
  queue: {},
  messages: {},

  actions: {},
  jobs: {},
  audit: {},
}

export type Texts = typeof en
