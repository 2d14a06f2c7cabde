import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { EVALUATOR, EvaluationSchedule, INTERVAL_SECONDS } from './evaluate/schedule.js';
import { AlertmanagerController } from './http/alertmanager.controller.js';
import { AlertsController } from './http/alerts.controller.js';
import { API_CONTEXT, type ApiContext } from './http/context.js';
import { GpuEventsController } from './http/gpu-events.controller.js';
import { HomeController } from './http/home.controller.js';
import { NotificationsController } from './http/notifications.controller.js';
import { RequestsController } from './http/requests.controller.js';
import { RulePreviewController } from './http/rule-preview.controller.js';
import { RulesController } from './http/rules.controller.js';
import { SignalsController } from './http/signals.controller.js';
import { SilencesController } from './http/silences.controller.js';

@Module({})
export class ApiModule {
  static of(context: ApiContext, intervalSeconds: number): DynamicModule {
    return {
      module: ApiModule,
      imports: [ScheduleModule.forRoot()],
      controllers: [
        HomeController,
        SignalsController,
        RulePreviewController,
        RulesController,
        AlertsController,
        AlertmanagerController,
        RequestsController,
        GpuEventsController,
        SilencesController,
        NotificationsController,
      ],
      providers: [
        EvaluationSchedule,
        { provide: API_CONTEXT, useValue: context },
        { provide: EVALUATOR, useValue: context.evaluator },
        { provide: INTERVAL_SECONDS, useValue: intervalSeconds },
      ],
    };
  }
}
