import type { components, operations } from './schema'

type Schemas = components['schemas']

export type Task = Schemas['Task']
export type TaskEvent = Schemas['TaskEvent']
export type TaskStatus = Schemas['TaskStatus']
export type Worker = Schemas['Worker']
export type Queue = Schemas['Queue']
export type Metrics = Schemas['Metrics']
export type Percentiles = Schemas['Percentiles']
export type StatusCounts = Schemas['StatusCounts']
export type Timeseries = Schemas['Timeseries']
export type TimeseriesPoint = Schemas['TimeseriesPoint']
export type System = Schemas['System']
export type Service = Schemas['Service']
export type Finding = Schemas['Finding']
export type IngestionSource = Schemas['IngestionSource']
export type FailureGroup = Schemas['FailureGroup']
export type FailureList = Schemas['FailureList']
export type WorkerLife = Schemas['WorkerLife']
export type WorkerMoment = Schemas['WorkerMoment']
export type MetricsHistory = Schemas['MetricsHistory']
export type Totals = Schemas['Totals']
export type TotalsGroup = Schemas['TotalsGroup']
export type Problem = Schemas['Problem']

export type TaskQuery = NonNullable<operations['listTasks']['parameters']['query']>
export type TimeseriesQuery = NonNullable<operations['getTimeseries']['parameters']['query']>
