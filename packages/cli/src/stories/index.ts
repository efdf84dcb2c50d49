export { candidates, type Recall, type RecallKind, type Story, tellStories, tellStory } from './story.ts';
